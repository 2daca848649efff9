"""The unpickler's virtual machine on values that can do nothing: one pass, and all that it would import and call.

It stops where every machine stops: that of C (`Modules/_pickle.c`), that in Python (`Lib/pickle.py`), both of CPython
3.11, and the weights-only one of torch 2.13, which takes less than these. Where they part, it goes on and says so.
The opcodes that make up nearly all of a pickle are in the loop; the others are in `pickle_opcodes`.
"""

import struct
from struct import Struct

from hfcheck.formats.collector import paused
from hfcheck.formats.pickle_facts import Stopped
from hfcheck.formats.pickle_opcodes import rare
from hfcheck.formats.pickle_reads import ARGUMENTS
from hfcheck.formats.pickle_run import Load, Method, Run, Stop, Wrapped
from hfcheck.formats.pickle_source import WINDOW, Source
from hfcheck.formats.pickle_state import KEYS, MAX_HELD, NEVER, Machine
from hfcheck.formats.pickle_values import Call, Dict, Global, How, Persistent

__all__ = ["Load", "Method", "Run", "Source", "Wrapped", "run"]

MAX_OPCODES = 8_000_000
"""Of one pickle; the largest vocabularies that are pickled have three million."""

MAX_KEPT = 400 * 2**20
"""Bytes of live values, as `_kept` counts them."""

_MARGIN = 16
"""Bytes left in a window below which the next one is fetched: more than any argument of a fixed length."""

_INT, _FLOAT, _WORD = Struct("<i"), Struct(">d"), Struct("<I")
_NESTED = frozenset({tuple, list, Dict})


@paused()
def run(  # noqa: PLR0913, PLR0917 - what its loader adds to the machine
    source: Source,
    begin: int = 0,
    wrapped: Wrapped | None = None,
    load: Load | None = None,
    cuts: tuple[int, ...] = (),
    opcodes: int = MAX_OPCODES,
) -> Run:
    """Follow the pickle that begins at byte `begin` of the source to its end.

    `wrapped` is asked after each BUILD, `load` what a persistent id stands for. `cuts` are bytes at which a frame ends
    whatever its length says. After so many `opcodes` it stops.
    """
    found = Run(begin=begin)
    machine = Machine(source, found, wrapped, load, cuts)
    turns = _Turns(source, found, machine, opcodes)
    try:
        _follow(begin, machine, turns)
    except Stop as stop:
        found.error = stop.stopped
    except (IndexError, struct.error):
        # Too little on the stack, or too few bytes: the machines notice either in the same place.
        found.error = turns.underflow(machine.at)
    except KeyError:
        found.error = machine.stopped("an index of the memo that was set before").stopped
    except UnicodeDecodeError:
        found.error = machine.stopped("text in UTF-8").stopped
    if found.error is not None:
        machine.failed()
    found.protocol = machine.protocol
    found.shared = machine.shared
    return found


class _Turns:
    """What happens between two windows of the stream: the end of a frame, the end of all, the limits."""

    def __init__(self, source: Source, found: Run, machine: Machine, opcodes: int) -> None:
        self.opcodes = opcodes
        self.source = source
        self.found = found
        self.machine = machine
        self.base = 0
        self.data = b""
        self.kept = 0

    def turn(self, at: int, count: int) -> tuple[bytes, int, int]:
        """The window for byte `at`, the byte that it begins with, and the place in it at which to turn again."""
        machine, source = self.machine, self.source
        if at >= machine.frame_end:
            if at > machine.frame_end:
                machine.crossed()
            machine.frame_end = NEVER
        if at > source.size:
            raise machine.stopped("the rest of the argument of an opcode, and the stream ends", source.size)
        self._check_limits(at, count)
        if at == source.size:
            machine.at = at
            raise machine.stopped("an opcode, and the stream ends without STOP")
        behind = self.base + len(self.data)
        if not self.base <= at < behind or (behind < source.size and at + _MARGIN >= behind):
            self.data, self.base = source.read(at, WINDOW), at
            self.kept += len(self.data)
            if not self.data:
                raise machine.stopped("the bytes that were there when the file was opened", at)
        length = len(self.data)
        soft = length if self.base + length >= source.size else length - _MARGIN
        machine.data, machine.base = self.data, self.base
        return self.data, self.base, min(soft, machine.frame_end - self.base)

    def _check_limits(self, at: int, count: int) -> None:
        found = self.found
        found.opcodes = count
        if count > self.opcodes:
            raise self.machine.stopped(f"at most {self.opcodes} opcodes", at, budget="pickle.opcodes")
        # An opcode that makes a container makes 60 to 120 bytes, the others less; an entry of the memo takes 100.
        objects = 60 * count + 64 * len(self.machine.meta) + 100 * len(self.machine.memo) + 130 * len(found.calls)
        if objects + self.kept + self.machine.held > MAX_KEPT:
            raise self.machine.stopped(f"at most {MAX_KEPT} bytes of values", at, budget="pickle.memory")

    def underflow(self, at: int) -> Stopped:
        """What is missing at the opcode at this byte: bytes of its argument, or values on the stack."""
        code = self.source.read(at, 1)
        if at + 1 + ARGUMENTS.get(code[0] if code else 0, 0) > self.source.size:
            return self.machine.stopped("the argument of an opcode, and the stream ends").stopped
        return self.machine.stopped("more values on the stack than there are").stopped


def _follow(at: int, machine: Machine, turns: _Turns) -> None:  # noqa: C901, PLR0912, PLR0915 - one case an opcode
    """The loop. `pos` counts from the start of the window; an opcode that is not here is in `pickle_opcodes`."""
    found = turns.found
    calls, imports, persistent = found.calls, found.globals, found.persistent
    memo, load = machine.memo, machine.load
    stack, meta = machine.stack, machine.meta
    data, base, soft, pos, count = b"", at, 0, 0, 0
    integer, real, word = _INT.unpack_from, _FLOAT.unpack_from, _WORD.unpack_from
    start, most, deepest = pos, machine.most, 0
    refused: int | None = None
    try:
        while True:
            if pos >= soft:
                machine.at = base + start
                at = base + pos
                data, base, soft = turns.turn(at, count)
                pos = at - base
            start = pos
            code = data[pos]
            pos += 1
            count += 1
            if code == 0x71:  # BINPUT
                memo[data[pos]] = stack[-1]
                pos += 1
            elif code == 0x94:  # MEMOIZE
                memo[len(memo)] = stack[-1]
                refused = code
            elif code == 0x4B:  # BININT1
                stack.append(data[pos])
                pos += 1
            elif code in (0x68, 0x6A):  # BINGET, LONG_BINGET
                if code == 0x68:
                    value = memo[data[pos]]
                    pos += 1
                else:
                    value = memo[word(data, pos)[0]]
                    pos += 4
                if type(value) in _NESTED:
                    machine.shared += 1
                stack.append(value)
            elif code in (0x58, 0x8C):  # BINUNICODE, SHORT_BINUNICODE
                if code == 0x58:
                    length = word(data, pos)[0]
                    pos += 4
                else:
                    length = data[pos]
                    pos += 1
                    refused = code
                end = pos + length
                if end <= len(data) and length <= MAX_HELD:
                    stack.append(str(data[pos:end], "utf-8", "surrogatepass"))
                else:
                    machine.at = base + start
                    stack.append(machine.bulk(str, base + pos, length))
                pos = end
            elif code == 0x72:  # LONG_BINPUT
                index = word(data, pos)[0]
                if index > most:
                    machine.at = base + start
                    machine.put(index, stack[-1])
                else:
                    memo[index] = stack[-1]
                pos += 4
            elif code == 0x4D:  # BININT2
                stack.append(data[pos] | data[pos + 1] << 8)
                pos += 2
            elif code == 0x4A:  # BININT
                stack.append(integer(data, pos)[0])
                pos += 4
            elif code == 0x28:  # MARK
                meta.append(stack)
                stack = []
                if len(meta) > deepest:  # noqa: PLR1730 - `max` is a call
                    deepest = len(meta)
            elif code == 0x86:  # TUPLE2
                value = stack.pop()
                stack[-1] = (stack[-1], value)
            elif code == 0x52:  # REDUCE
                value = stack.pop()
                callee = stack[-1]
                if type(callee) is Global and type(value) is tuple:
                    stack[-1] = call = Call(callee, value, None, base + start, code)
                    calls.append(call)
                else:
                    machine.at = base + start
                    stack[-1] = machine.reduced(callee, value)
            elif code == 0x74:  # TUPLE
                items = stack
                stack = meta.pop()
                stack.append(tuple(items))
            elif code == 0x51:  # BINPERSID
                value = Persistent(stack.pop(), base + start)
                persistent.append(value)
                stack.append(value if load is None else load(value))
            elif code == 0x47:  # BINFLOAT
                stack.append(real(data, pos)[0])
                pos += 8
            elif code == 0x85:  # TUPLE1
                stack[-1] = (stack[-1],)
                machine.shared += 1
            elif code == 0x87:  # TUPLE3
                value = stack.pop()
                middle = stack.pop()
                stack[-1] = (stack[-1], middle, value)
            elif code == 0x29:  # EMPTY_TUPLE
                stack.append(())
            elif code == 0x88:  # NEWTRUE
                stack.append(True)
            elif code == 0x89:  # NEWFALSE
                stack.append(False)
            elif code == 0x4E:  # NONE
                stack.append(None)
            elif code == 0x75:  # SETITEMS
                items = stack
                stack = meta.pop()
                target = stack[-1]
                if type(target) is Dict and not len(items) & 1 and KEYS.issuperset(map(type, items[::2])):
                    target.flat.extend(items)
                else:
                    machine.at = base + start
                    machine.set_items(target, items, code)
            elif code == 0x65:  # APPENDS
                items = stack
                stack = meta.pop()
                target = stack[-1]
                if type(target) is list:
                    target.extend(items)
                else:
                    machine.at = base + start
                    machine.extend(target, items, code)
            elif code == 0x7D:  # EMPTY_DICT
                stack.append(Dict([]))
            elif code == 0x5D:  # EMPTY_LIST
                stack.append([])
            elif code == 0x62:  # BUILD
                value = stack.pop()
                machine.at = base + start
                pos = machine.build(stack, value, base + pos) - base
            elif code == 0x81:  # NEWOBJ
                value = stack.pop()
                callee = stack.pop()
                if type(callee) is Global and type(value) is tuple:
                    call = Call(callee, value, None, base + start, code)
                    calls.append(call)
                    stack.append(call)
                else:
                    machine.at = base + start
                    stack.append(machine.new_object(callee, value))
            elif code == 0x93:  # STACK_GLOBAL
                value = stack.pop()
                module = stack.pop()
                refused = code
                if type(value) is str and type(module) is str:
                    named = Global(module, value, base + start, How.STACK_GLOBAL, machine.protocol)
                    imports.append(named)
                    stack.append(named)
                else:
                    machine.at = base + start
                    stack.append(machine.computed_global(module, value))
            elif code == 0x63:  # GLOBAL
                middle = data.find(b"\n", pos)
                end = data.find(b"\n", middle + 1)
                if pos < middle < end - 1:
                    named = Global(
                        data[pos:middle].decode(),
                        data[middle + 1 : end].decode(),
                        base + start,
                        How.GLOBAL,
                        machine.protocol,
                    )
                    imports.append(named)
                    stack.append(named)
                    pos = end + 1
                else:
                    machine.at, machine.stack = base + start, stack
                    pos = rare(machine, code, base + pos) - base
            elif code == 0x2E:  # STOP
                machine.at = base + start
                found.root = stack.pop()
                found.end = end = base + pos
                machine.ended(end)
                break
            else:
                machine.at = base + start
                machine.stack = stack
                pos = rare(machine, code, base + pos) - base
                stack = machine.stack
                if code == 0x95:  # FRAME: there is another place at which to turn
                    soft = 0
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        machine.at = base + start
        raise
    finally:
        found.opcodes, found.depth = count, deepest
        found.refused_opcode = refused if machine.refused is None else machine.refused
