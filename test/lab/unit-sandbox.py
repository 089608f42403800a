"""Runs a command with only the socket families that a systemd unit allows, like
RestrictAddressFamilies=: socket(2) with any other fails with EAFNOSUPPORT. The unit's other
restrictions are not simulated.

    python3 unit-sandbox.py UNIT COMMAND [ARGUMENT...]
"""
import ctypes
import errno
import os
import platform
import re
import socket
import struct
import sys

SOCKET_NUMBER = {"x86_64": 41, "aarch64": 198}[platform.machine()]
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
NUMBER_AT, FIRST_ARGUMENT_AT = 0, 16


def instruction(code, true, false, value):
    return struct.pack("HBBI", code, true, false, value)


def families(unit):
    with open(unit, encoding="utf-8") as file:
        allowed = re.findall(r"^RestrictAddressFamilies=(.*)$", file.read(), re.M)
    return [getattr(socket, name) for line in allowed for name in line.split()]


def program(allowed):
    count = len(allowed)
    lines = [
        instruction(LOAD, 0, 0, NUMBER_AT),
        instruction(JUMP_IF_EQUAL, 0, count + 2, SOCKET_NUMBER),
        instruction(LOAD, 0, 0, FIRST_ARGUMENT_AT),
    ]
    for at, family in enumerate(allowed):
        lines.append(instruction(JUMP_IF_EQUAL, count - at, 0, family))
    return lines + [instruction(RETURN, 0, 0, ERRNO), instruction(RETURN, 0, 0, ALLOW)]


def restrict(unit):
    lines = program(families(unit))
    code = ctypes.create_string_buffer(b"".join(lines))
    header = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    restrict(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
