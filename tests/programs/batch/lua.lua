#!/usr/bin/lua5.4
-- SPDX-License-Identifier: MIT
-- Lua 5.4. Expected: the same as on Linux.

local function case(name) print("== " .. name) io.flush() end

case("language")
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(22), 7 // 2, 7 % -3, 2 ^ 0.5, 1 << 62, "a" .. 1)
local list = {}
for word in ("the quick brown fox"):gmatch("%a+") do list[#list + 1] = word:upper() end
table.sort(list)
print(table.concat(list, ","), #list, select("#", table.unpack(list)))
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(co(), co(), co())
print(pcall(error, { code = 1 }) , select(2, pcall(error, "message", 0)))
print(string.format("%5.2f %q %x", 3.14159, "a\nb", 255), ("x"):rep(3, "-"))
print(utf8.char(228, 8364), utf8.len("äöü"), string.pack("<i4", 100):byte(1, -1))
local t = setmetatable({}, { __index = function(_, k) return k * 2 end, __gc = function() end })
print(t[21], collectgarbage("count") > 0, collectgarbage("collect"))

case("files")
local file = assert(io.open("file", "w"))
for i = 1, 1000 do file:write(i, "\n") end
file:close()
local sum = 0
for line in io.lines("file", "n") do sum = sum + line end
print(sum)
file = io.open("file", "r+")
print(file:seek("end"), file:seek("set", 2), file:read("l"), file:read(3))
file:close()
print(io.open("nothing"))
print(os.rename("file", "renamed"), os.remove("nothing"))
file = io.tmpfile()
file:write("temporary") file:seek("set")
print(file:read("a"))

case("processes")
local pipe = io.popen("echo from a pipe; exit 3")
print(pipe:read("a"), pipe:close())
pipe = io.popen("cat", "w") pipe:write("to a pipe\n") print(pipe:close())
print(os.execute("kill -9 $$"))
print(os.execute("exit 7"))
print(os.getenv("HOME"), os.getenv("NOTHING"), os.date("!%F", 0))
print(os.time({ year = 2000, month = 1, day = 1, hour = 0 }))
os.exit(5)
