# SPDX-License-Identifier: MIT
# churn.pl SEED STEPS FOLDER: random changes of the tree in FOLDER, the same for the same seed and
# tree: files are made, grow, shrink, are overwritten in the middle, linked, moved and removed.
use strict;
use warnings;

my ($state, $steps, $folder) = @ARGV;

sub draw {
	my ($n) = @_;
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return ($state >> 8) % $n;
}

# The paths below a folder, in order, without the folder itself: those of folders, or of files.
sub below {
	my ($of, $folders) = @_;
	opendir(my $handle, $of) or die "$of: $!";
	my @names = sort grep { $_ ne '.' && $_ ne '..' } readdir $handle;
	closedir $handle;
	my @paths;
	for my $path (map { "$of/$_" } @names) {
		my $is_folder = -d $path && !-l $path ? 1 : 0;
		push @paths, $path if $is_folder == $folders;
		push @paths, below($path, $folders) if $is_folder;
	}
	return @paths;
}

sub bytes {
	my ($n) = @_;
	return substr(join(',', map { $state ^ $_ } 0 .. $n / 6 + 1), 0, $n);
}

sub change_file {
	my ($path) = @_;
	my $what = draw(4);
	open(my $file, '+<', $path) or die "$path: $!";
	my $size = -s $file;
	if ($what == 0) {
		truncate($file, draw($size + 1)) or die "truncate $path: $!";
	} else {
		seek($file, $what == 1 ? $size : draw($size + 5000), 0);
		print $file bytes(1 + draw(30000)) or die "write $path: $!";
	}
	close($file) or die "close $path: $!";
}

sub new_entry {
	my ($path, $files) = @_;
	my $what = draw(8);
	if ($what == 0) {
		mkdir($path, 0750) or die "mkdir $path: $!";
	} elsif ($what == 1 && @$files) {
		link($files->[draw(scalar @$files)], $path) or die "link $path: $!";
	} elsif ($what == 2) {
		symlink('x' x (1 + draw(200)), $path) or die "symlink $path: $!";
	} else {
		open(my $file, '>', $path) or die "$path: $!";
		print $file bytes(draw(60000));
		close($file) or die "close $path: $!";
	}
}

mkdir $folder unless -d $folder;
for my $step (1 .. $steps) {
	my @folders = ($folder, below($folder, 1));
	my @entries = below($folder, 0);
	my @files = grep { !-l $_ } @entries;
	my $what = draw(10);
	my $new = $folders[draw(scalar @folders)] . '/' . $ARGV[0] . '-' . $step;
	if ($what < 5 || @files < 3) {
		new_entry($new, \@files);
	} elsif ($what < 7) {
		change_file($files[draw(scalar @files)]);
	} elsif ($what == 7) {
		my $old = $entries[draw(scalar @entries)];
		rename($old, $new) or die "rename $old: $!";
	} elsif (@entries > 200 || $what == 8) {
		my $old = $entries[draw(scalar @entries)];
		unlink($old) or die "unlink $old: $!";
	}
}
