#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
# git: repositories, branches, merges, clones, packing. Expected: the same as on Linux, to the hash.

export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C
export GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2024-01-02T03:04:05+0000' GIT_COMMITTER_DATE='2024-01-02T03:04:05+0000'
export GIT_PAGER=cat HOME=$PWD
git config --global init.defaultBranch main
git config --global advice.detachedHead false

echo '== commit'
git init repo
cd repo || exit 1
seq 1 100 >numbers
mkdir -p a/b
echo hello >a/b/hello
ln -s numbers link
echo '#!/bin/sh' >run; chmod +x run
git status --short
git add .
git commit -m 'first commit'
git ls-files -s
git ls-tree -r -l HEAD
git cat-file -p HEAD
sed -i 's/^50$/fifty/' numbers
git diff --stat; git diff
git commit -qam 'second commit' && git log --oneline --stat
git rev-parse HEAD HEAD~1 HEAD:a

echo '== branches'
git checkout -q -b side HEAD~1
echo side >side; git add side; git commit -qm 'on the side'
git branch -v
git checkout main
git merge side -m 'merge of side'
git log --graph --oneline --all
git tag v1; git tag -a v2 -m 'annotated'; git tag -l; git describe
git checkout -q -b conflict HEAD~1
sed -i 's/^50$/funfzig/; s/^fifty$/funfzig/' numbers; git commit -qam 'a conflict'
git merge main; echo "status $?"
git checkout -q main; sed -i 's/^fifty$/FIFTY/' numbers; git commit -qam 'upper case'
git checkout -q conflict; git merge main; echo "status $?"
git diff | head -20; git merge --abort
git rebase main 2>&1 | sed 's/[0-9a-f]\{7,\}/HASH/g'; git rebase --abort
git checkout -q main; git cherry-pick side 2>&1 | head -2; git cherry-pick --abort
git stash list; echo x >>numbers; git stash -q; git stash pop | tail -2
git checkout -- numbers; git reset -q --hard HEAD~1; git reflog | head -3
git mv run moved; git rm -q a/b/hello; git status --porcelain=v2 | cut -c1-20; git reset -q --hard
git blame -s numbers | sed -n '49,51p'; git grep -n fifty; git show --stat HEAD^2
git bisect start -q HEAD HEAD~1 2>&1 | head -1; git bisect reset 2>&1 | head -1

echo '== clone'
cd ..
git clone -q repo clone && cd clone || exit 1
git log -1 --format=%H
echo more >more; git add more; git commit -qm 'in the clone'
git push -q origin main:pushed; echo "status $?"
git fetch -q; git branch -a
cd ..
git clone -q --bare repo bare.git; git clone -q --depth 1 "file://$PWD/bare.git" shallow
git -C shallow log --oneline | wc -l
git clone -q --no-local repo copied; git -C copied fsck; git -C copied status -sb

echo '== many_objects'
cd repo || exit 1
for i in $(seq 200); do echo "file $i" >"file$i"; done
git add . && git commit -qm many
git count-objects | cut -d' ' -f1
git gc -q && git count-objects -v | grep -E 'count|in-pack|packs'
git fsck --full; echo "status $?"
git repack -adfq --threads=2 && git verify-pack .git/objects/pack/*.idx && echo verified
git archive HEAD | tar -t | wc -l
git bundle create -q ../bundle main && git bundle verify ../bundle 2>&1 | tail -1
git format-patch -q -1 HEAD~1 -o ../patches && ls ../patches
git worktree add -q ../tree side && cat ../tree/side

echo '== hooks_and_errors'
printf '#!/bin/sh\necho hook runs\nexit 1\n' >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit
echo y >>numbers; git commit -am refused; echo "status $?"
touch .git/index.lock; git add numbers 2>&1 | head -1; rm .git/index.lock
git checkout nothing; echo "status $?"
cd /; git status; echo "status $?"
