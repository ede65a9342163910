/* SPDX-License-Identifier: MIT */
/* The line discipline, over a device that is a buffer. */
#include <base/testing.h>
#include <drivers/lib/tty/line.h>

/* What the device got, and what the discipline said. */
static struct line line;
static char output[65536];
static size_t n_output, output_room;
static unsigned n_signals[3], n_readable, n_flushes;
static bool is_stopped;

static void device_write(struct line *self, const uint8_t *bytes, size_t size)
{
	(void)self;
	memcpy(output + n_output, bytes, size);
	n_output += size;
	output[n_output] = '\0';
	output_room -= size;
}

static size_t device_room(struct line *self)
{
	(void)self;
	return output_room;
}

static void device_signal(struct line *self, enum line_signal signal)
{
	(void)self;
	n_signals[signal]++;
}

static void device_readable(struct line *self)
{
	(void)self;
	n_readable++;
}

static void device_set_stopped(struct line *self, bool stopped)
{
	(void)self;
	is_stopped = stopped;
}

static void device_flush_output(struct line *self)
{
	(void)self;
	n_flushes++;
}

static const struct line_ops device = {
	.write = device_write,
	.room = device_room,
	.signal = device_signal,
	.readable = device_readable,
	.set_stopped = device_set_stopped,
	.flush_output = device_flush_output,
};

static void begin(void)
{
	line_init(&line, &device);
	n_output = 0;
	output[0] = '\0';
	output_room = 60000;
	memset(n_signals, 0, sizeof(n_signals));
	n_readable = 0;
	n_flushes = 0;
	is_stopped = false;
}

static void set_flags(uint32_t set, uint32_t clear)
{
	struct linux_termios termios = line.termios;

	termios.lflag = (termios.lflag | set) & ~clear;
	line_set_termios(&line, &termios);
}

static void set_input_flags(uint32_t set, uint32_t clear)
{
	struct linux_termios termios = line.termios;

	termios.iflag = (termios.iflag | set) & ~clear;
	line_set_termios(&line, &termios);
}

static void set_output_flags(uint32_t set, uint32_t clear)
{
	struct linux_termios termios = line.termios;

	termios.oflag = (termios.oflag | set) & ~clear;
	line_set_termios(&line, &termios);
}

static size_t type(const char *text)
{
	return line_receive(&line, (const uint8_t *)text, strlen(text));
}

static const char *read_line(size_t size)
{
	static char buffer[8192];
	size_t n_bytes = line_read(&line, (uint8_t *)buffer, size);

	buffer[n_bytes] = '\0';
	return buffer;
}

TEST(canonical_line_is_read_when_it_is_complete)
{
	begin();
	type("hel");
	CHECK(!line_can_read(&line));
	type("lo\r");
	CHECK(line_can_read(&line));
	CHECK_STR_EQ(read_line(100), "hello\n");
	CHECK(!line_can_read(&line));
	CHECK_STR_EQ(output, "hello\r\n");
}

TEST(lines_are_read_one_by_one)
{
	begin();
	type("one\ntwo\n");
	CHECK_EQ(line_readable_bytes(&line), 8);
	CHECK_STR_EQ(read_line(100), "one\n");
	CHECK_STR_EQ(read_line(100), "two\n");
}

TEST(short_read_leaves_the_rest_of_the_line)
{
	begin();
	type("abcdef\n");
	CHECK_STR_EQ(read_line(3), "abc");
	CHECK_STR_EQ(read_line(100), "def\n");
}

TEST(erase_takes_the_last_character)
{
	begin();
	type("abc\177\177x\n");
	CHECK_STR_EQ(read_line(100), "ax\n");
	CHECK_STR_EQ(output, "abc\b \b\b \bx\r\n");
}

TEST(erase_stops_at_the_start_of_the_line)
{
	begin();
	type("a\177\177\177b\n");
	CHECK_STR_EQ(read_line(100), "b\n");
	CHECK_STR_EQ(output, "a\b \bb\r\n");
}

TEST(erase_does_not_reach_the_line_before)
{
	begin();
	type("one\n\177\177two\n");
	CHECK_STR_EQ(read_line(100), "one\n");
	CHECK_STR_EQ(read_line(100), "two\n");
}

TEST(erase_of_a_control_character_takes_two_columns)
{
	begin();
	type("\001\177\n");
	CHECK_STR_EQ(output, "^A\b \b\b \b\r\n");
}

TEST(erase_without_echoe_echoes_the_erase_character)
{
	begin();
	set_flags(0, LINUX_ECHOE);
	type("ab\177");
	CHECK_STR_EQ(output, "ab^?");
}

TEST(erase_of_a_tab_goes_back_to_where_it_began)
{
	begin();
	type("ab\t\177x");
	CHECK_STR_EQ(output, "ab\t\b\b\b\b\b\bx");
}

TEST(erase_of_a_tab_counts_what_stood_before_the_line)
{
	begin();
	line_write(&line, (const uint8_t *)"> ", 2);
	n_output = 0;
	type("\t\177");
	CHECK_STR_EQ(output, "\t\b\b\b\b\b\b");
}

TEST(erase_takes_a_whole_utf8_character)
{
	begin();
	set_input_flags(LINUX_IUTF8, 0);
	type("a\xc3\xa4\xe2\x82\xac\177\177\n");
	CHECK_STR_EQ(read_line(100), "a\n");
	CHECK_STR_EQ(output, "a\xc3\xa4\xe2\x82\xac\b \b\b \b\r\n");
}

TEST(erase_without_iutf8_takes_a_byte)
{
	begin();
	type("\xc3\xa4\177\n");
	CHECK_STR_EQ(read_line(100), "\xc3\n");
}

TEST(word_erase_takes_the_word_and_the_blanks_after_it)
{
	begin();
	type("foo bar_1  \027");
	type("x\n");
	CHECK_STR_EQ(read_line(100), "foo x\n");
}

TEST(word_erase_needs_iexten)
{
	begin();
	set_flags(0, LINUX_IEXTEN);
	type("a b\027\n");
	CHECK_STR_EQ(read_line(100), "a b\027\n");
}

TEST(kill_erases_the_line_on_the_screen)
{
	begin();
	type("abc\025x\n");
	CHECK_STR_EQ(read_line(100), "x\n");
	CHECK_STR_EQ(output, "abc\b \b\b \b\b \bx\r\n");
}

TEST(kill_without_echoke_starts_a_new_line)
{
	begin();
	set_flags(0, LINUX_ECHOKE);
	type("abc\025x\n");
	CHECK_STR_EQ(read_line(100), "x\n");
	CHECK_STR_EQ(output, "abc^U\r\nx\r\n");
}

TEST(kill_without_echo_is_silent)
{
	begin();
	set_flags(0, LINUX_ECHO);
	type("abc\025x\n");
	CHECK_STR_EQ(read_line(100), "x\n");
	CHECK_STR_EQ(output, "");
}

TEST(end_of_file_ends_a_line_without_being_part_of_it)
{
	begin();
	type("abc\004");
	CHECK_STR_EQ(read_line(100), "abc");
	CHECK(!line_can_read(&line));
}

TEST(end_of_file_on_an_empty_line_reads_as_nothing)
{
	begin();
	type("\004");
	CHECK(line_can_read(&line));
	CHECK_STR_EQ(read_line(100), "");
	CHECK(!line_can_read(&line));
}

TEST(end_of_file_does_not_count_as_a_byte)
{
	begin();
	type("abc\004");
	CHECK_EQ(line_readable_bytes(&line), 3);
}

TEST(read_of_the_exact_size_swallows_the_end_of_file)
{
	begin();
	type("abc\004");
	CHECK_STR_EQ(read_line(3), "abc");
	CHECK(!line_can_read(&line));
}

TEST(end_of_line_characters_end_lines)
{
	struct linux_termios termios;

	begin();
	termios = line.termios;
	termios.cc[LINUX_VEOL] = ';';
	termios.cc[LINUX_VEOL2] = '!';
	line_set_termios(&line, &termios);
	type("ab;cd!");
	CHECK_STR_EQ(read_line(100), "ab;");
	CHECK_STR_EQ(read_line(100), "cd!");
}

TEST(literal_next_takes_away_the_meaning)
{
	begin();
	type("a\026\177\026\003b\n");
	CHECK_STR_EQ(read_line(100), "a\177\003b\n");
	CHECK_EQ(n_signals[LINE_SIGNAL_INTERRUPT], 0);
	CHECK_STR_EQ(output, "a^\b^?^\b^Cb\r\n");
}

TEST(literal_zero_is_no_end_of_file)
{
	begin();
	type("a");
	line_receive(&line, (const uint8_t *)"\026\0b\n", 4);
	uint8_t buffer[16];

	CHECK_EQ(line_read(&line, buffer, sizeof(buffer)), 4);
	CHECK_MEM_EQ(buffer, "a\0b\n", 4);
}

TEST(reprint_shows_the_line_again)
{
	begin();
	type("ab\022c\n");
	CHECK_STR_EQ(read_line(100), "abc\n");
	CHECK_STR_EQ(output, "ab^R\r\nabc\r\n");
}

TEST(interrupt_sends_a_signal_and_flushes)
{
	begin();
	type("half\003");
	CHECK_EQ(n_signals[LINE_SIGNAL_INTERRUPT], 1);
	CHECK_EQ(n_flushes, 1);
	type("x\n");
	CHECK_STR_EQ(read_line(100), "x\n");
	CHECK_STR_EQ(output, "half^Cx\r\n");
}

TEST(quit_and_suspend_send_their_signals)
{
	begin();
	type("\034\032");
	CHECK_EQ(n_signals[LINE_SIGNAL_QUIT], 1);
	CHECK_EQ(n_signals[LINE_SIGNAL_SUSPEND], 1);
	CHECK_STR_EQ(output, "^\\^Z");
}

TEST(noflsh_keeps_what_was_typed)
{
	begin();
	set_flags(LINUX_NOFLSH, 0);
	type("half\003way\n");
	CHECK_EQ(n_signals[LINE_SIGNAL_INTERRUPT], 1);
	CHECK_EQ(n_flushes, 0);
	CHECK_STR_EQ(read_line(100), "halfway\n");
}

TEST(without_isig_signal_characters_are_data)
{
	begin();
	set_flags(0, LINUX_ISIG);
	type("a\003b\n");
	CHECK_EQ(n_signals[LINE_SIGNAL_INTERRUPT], 0);
	CHECK_STR_EQ(read_line(100), "a\003b\n");
}

TEST(disabled_characters_are_data)
{
	struct linux_termios termios;

	begin();
	termios = line.termios;
	termios.cc[LINUX_VINTR] = 0;
	line_set_termios(&line, &termios);
	line_receive(&line, (const uint8_t *)"a\003\0\n", 4);
	CHECK_EQ(n_signals[LINE_SIGNAL_INTERRUPT], 0);
	CHECK_EQ(line_readable_bytes(&line), 4);
}

TEST(stop_and_start_hold_output)
{
	begin();
	type("\023");
	CHECK(is_stopped);
	type("\021");
	CHECK(!is_stopped);
	type("\023");
	set_input_flags(0, LINUX_IXON);
	CHECK(!is_stopped);
	type("\023\n");
	CHECK(!is_stopped);
	CHECK_STR_EQ(read_line(100), "\023\n");
}

TEST(any_character_starts_output_with_ixany)
{
	begin();
	set_input_flags(LINUX_IXANY, 0);
	type("\023");
	CHECK(is_stopped);
	type("a");
	CHECK(!is_stopped);
}

TEST(interrupt_starts_output_again)
{
	begin();
	type("\023\003");
	CHECK(!is_stopped);
}

TEST(carriage_returns_as_the_flags_say)
{
	begin();
	set_input_flags(LINUX_IGNCR, 0);
	type("a\rb\n");
	CHECK_STR_EQ(read_line(100), "ab\n");
	begin();
	set_input_flags(0, LINUX_ICRNL);
	type("a\rb\n");
	CHECK_STR_EQ(read_line(100), "a\rb\n");
	begin();
	set_input_flags(LINUX_INLCR, LINUX_ICRNL);
	set_flags(0, LINUX_ICANON);
	type("a\n");
	CHECK_STR_EQ(read_line(100), "a\r");
}

TEST(istrip_clears_the_eighth_bit)
{
	begin();
	set_input_flags(LINUX_ISTRIP, 0);
	type("\xe1\n");
	CHECK_STR_EQ(read_line(100), "a\n");
}

TEST(parmrk_doubles_the_byte_that_marks)
{
	begin();
	set_input_flags(LINUX_PARMRK, 0);
	type("\xff\n");
	CHECK_STR_EQ(read_line(100), "\xff\xff\n");
}

TEST(raw_mode_gives_bytes_at_once)
{
	begin();
	set_flags(0, LINUX_ICANON | LINUX_ECHO | LINUX_ISIG);
	type("a\177\004");
	CHECK(line_can_read(&line));
	CHECK_STR_EQ(read_line(2), "a\177");
	CHECK_STR_EQ(read_line(2), "\004");
	CHECK_STR_EQ(output, "");
}

TEST(leaving_canonical_mode_gives_the_unfinished_line)
{
	begin();
	type("abc");
	CHECK(!line_can_read(&line));
	set_flags(0, LINUX_ICANON);
	CHECK_STR_EQ(read_line(100), "abc");
}

TEST(entering_canonical_mode_makes_a_line_of_what_is_there)
{
	begin();
	set_flags(0, LINUX_ICANON);
	type("abc");
	set_flags(LINUX_ICANON, 0);
	CHECK(line_can_read(&line));
	type("def\n");
	CHECK_STR_EQ(read_line(100), "abc");
	CHECK_STR_EQ(read_line(100), "def\n");
}

TEST(echonl_echoes_only_newlines)
{
	begin();
	set_flags(LINUX_ECHONL, LINUX_ECHO);
	type("secret\n");
	CHECK_STR_EQ(output, "\r\n");
}

TEST(without_echoctl_control_characters_go_out_as_they_are)
{
	begin();
	set_flags(0, LINUX_ECHOCTL);
	type("\001");
	CHECK_STR_EQ(output, "\001");
}

TEST(echoprt_shows_what_is_erased)
{
	begin();
	set_flags(LINUX_ECHOPRT, LINUX_ECHOE);
	type("abc\177\177x\n");
	CHECK_STR_EQ(output, "abc\\cb/x\r\n");
	CHECK_STR_EQ(read_line(100), "ax\n");
}

TEST(long_line_is_cut_and_can_still_be_ended)
{
	char text[5001];

	begin();
	set_flags(0, LINUX_ECHO);
	memset(text, 'x', 5000);
	text[5000] = '\0';
	CHECK_EQ(type(text), 5000);
	type("\n");
	CHECK_EQ(line_readable_bytes(&line), LINE_BUFFER_SIZE);
	CHECK_EQ(strlen(read_line(8000)), LINE_BUFFER_SIZE);
}

TEST(full_buffer_rings_the_bell_with_imaxbel)
{
	char text[LINE_BUFFER_SIZE + 1];

	begin();
	set_flags(0, LINUX_ECHO);
	set_input_flags(LINUX_IMAXBEL, 0);
	memset(text, 'x', LINE_BUFFER_SIZE);
	text[LINE_BUFFER_SIZE] = '\0';
	type(text);
	CHECK_STR_EQ(output, "\a");
}

TEST(full_of_lines_takes_no_more)
{
	begin();
	set_flags(0, LINUX_ECHO);
	for (int i = 0; i < 2000; i++) {
		type("12345\n");
	}
	CHECK(line_receive(&line, (const uint8_t *)"x", 1) == 0);
	read_line(100);
	CHECK(line_receive(&line, (const uint8_t *)"x", 1) == 1);
}

TEST(raw_buffer_takes_no_more_when_it_is_full)
{
	char text[6001];

	begin();
	set_flags(0, LINUX_ICANON | LINUX_ECHO);
	memset(text, 'x', 6000);
	text[6000] = '\0';
	size_t taken = type(text);

	CHECK(taken < LINE_BUFFER_SIZE + 1 && taken > LINE_BUFFER_SIZE - 8);
	CHECK_EQ(strlen(read_line(8000)), taken);
	CHECK_EQ(type("y"), 1);
}

TEST(output_is_post_processed)
{
	begin();
	line_write(&line, (const uint8_t *)"a\nb\n", 4);
	CHECK_STR_EQ(output, "a\r\nb\r\n");
	begin();
	set_output_flags(0, LINUX_OPOST);
	line_write(&line, (const uint8_t *)"a\nb\n", 4);
	CHECK_STR_EQ(output, "a\nb\n");
	begin();
	set_output_flags(LINUX_OCRNL, LINUX_ONLCR);
	line_write(&line, (const uint8_t *)"a\rb\n", 4);
	CHECK_STR_EQ(output, "a\nb\n");
	begin();
	set_output_flags(LINUX_ONOCR, 0);
	line_write(&line, (const uint8_t *)"\ra\r", 3);
	CHECK_STR_EQ(output, "a\r");
	begin();
	set_output_flags(LINUX_OLCUC, 0);
	line_write(&line, (const uint8_t *)"aB1\n", 4);
	CHECK_STR_EQ(output, "AB1\r\n");
}

TEST(tabs_are_expanded_with_xtabs)
{
	begin();
	set_output_flags(LINUX_XTABS, 0);
	line_write(&line, (const uint8_t *)"ab\tc", 4);
	CHECK_STR_EQ(output, "ab      c");
}

TEST(output_stops_where_there_is_no_room)
{
	begin();
	output_room = 3;
	CHECK_EQ(line_write(&line, (const uint8_t *)"ab\ncd", 5), 2);
	CHECK_STR_EQ(output, "ab");
	output_room = 100;
	CHECK_EQ(line_write(&line, (const uint8_t *)"\ncd", 3), 3);
	CHECK_STR_EQ(output, "ab\r\ncd");
}

TEST(readers_are_told)
{
	begin();
	type("abc");
	CHECK_EQ(n_readable, 0);
	type("\n");
	CHECK_EQ(n_readable, 1);
	type("\004");
	CHECK_EQ(n_readable, 2);
	set_flags(0, LINUX_ICANON);
	type("x");
	CHECK(n_readable > 2);
}

TEST(random_input_keeps_the_invariants)
{
	uint64_t seed = test_seed(1);
	uint8_t buffer[64];

	begin();
	for (int i = 0; i < 200000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint8_t byte = (uint8_t)(seed >> 33);
		uint32_t choice = (uint32_t)(seed >> 41) % 100;

		if (choice < 90) {
			line_receive(&line, &byte, 1);
		} else if (choice < 98) {
			line_read(&line, buffer, byte % 64 + 1);
		} else {
			struct linux_termios termios = line.termios;

			termios.lflag ^= 1u << (byte % 16);
			termios.iflag ^= 1u << (byte / 16);
			line_set_termios(&line, &termios);
		}
		output_room = 60000;
		n_output = 0;
		CHECK(line.head - line.tail <= LINE_BUFFER_SIZE);
		CHECK(line.canonical_end - line.tail <= line.head - line.tail);
	}
}

TEST_MAIN()
