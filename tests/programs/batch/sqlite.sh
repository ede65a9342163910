#!/bin/bash
# SPDX-License-Identifier: MIT
# sqlite3 on tmpfs: journals, locks between processes, shared memory of the write-ahead log.
# Expected: the same as on Linux.

echo '== query'
sqlite3 data <<'END'
create table person(id integer primary key, name text, age integer);
insert into person(name, age) values('Ann', 30), ('Bob', 25), ('Cem', 41);
.mode column
.headers on
select * from person order by age;
select avg(age), group_concat(name) from person;
create index by_age on person(age);
explain query plan select name from person where age = 25;
select json_object('a', json_array(1, 2)), printf('%05d', 42), date(0, 'unixepoch');
.schema
END
echo '== transactions'
sqlite3 data "begin; delete from person; rollback; select count(*) from person;"
sqlite3 data "insert into person(id) values(1);" 2>&1; echo "status $?"
ls
echo '== many_rows'
sqlite3 data "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
	insert into person(name, age) select 'n' || i, i % 100 from n;
	select count(*), sum(age), max(name) from person; vacuum; pragma integrity_check;"
stat -c %s data
echo '== journals'
for mode in delete truncate persist memory wal; do
	sqlite3 data "pragma journal_mode=$mode; update person set age = age + 1 where id < 100;
		select sum(age) from person;"
	ls data*
done
echo '== locks'
sqlite3 data "pragma journal_mode=delete"
mkfifo go done
(sqlite3 data <<'END'
begin exclusive;
.shell echo >done; cat go >/dev/null
update person set name = 'Zed' where id = 1;
commit;
END
) &
cat done >/dev/null
sqlite3 data "select name from person where id = 1" 2>&1; echo "status $?"
echo >go
wait
sqlite3 data "select name from person where id = 1"
echo '== concurrency'
sqlite3 data "create table c(n); insert into c values(0); pragma journal_mode=wal" >/dev/null
for i in 1 2 3 4; do
	for j in 1 2 3 4 5; do sqlite3 -cmd '.timeout 20000' data 'update c set n = n + 1'; done &
done
wait
sqlite3 data 'select n from c'
echo '== import'
seq 1000 | sed 's/.*/&,name &/' >rows.csv
sqlite3 :memory: '.mode csv' 'create table t(a integer, b)' '.import rows.csv t' \
	'select sum(a), max(b) from t'
sqlite3 data .dump | sqlite3 copy && sqlite3 copy 'select count(*) from person'
