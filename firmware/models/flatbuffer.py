# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# FlatBuffers in both directions for a schema that is given as data: build() turns nested dicts into bytes, read() turns bytes into
# nested dicts. A schema maps a table's name to its fields in declaration order; a field is (name, type, default).
#
# Types: a key of SCALARS; "string"; "Table"; "[scalar]", "[string]", "[Table]"; "[scalar@N]" with elements aligned to N bytes; and
# "union NAME", whose value is (table name, dict) and which takes two slots (the type number, then the table), where schema["union NAME"]
# lists the member names from number 1 on. A field that is None or equals its default is left out.
import struct

SCALARS = {"bool": "<?", "int8": "<b", "uint8": "<B", "int16": "<h", "uint16": "<H", "int32": "<i", "uint32": "<I", "int64": "<q",
           "uint64": "<Q", "float": "<f"}


def scalar_size(kind):
    return struct.calcsize(SCALARS[kind])


def slots(schema, table):
    """The fields of a table with their vtable slots: (slot, name, type, default)."""
    out, slot = [], 0
    for name, kind, default in schema[table]:
        out.append((slot, name, kind, default))
        slot += 2 if kind.startswith("union ") else 1
    return out


class Builder:
    """Writes from the end to the front, so that every offset points to something that is already there. A position is a distance from the
    end of the file; the file's length is a multiple of the largest alignment, so distances and addresses are aligned alike."""

    def __init__(self, schema):
        self.schema, self.chunks, self.size, self.largest, self.vtables = schema, [], 0, 4, {}

    def put(self, data, align=1, tail=0):
        """`data` so that its start + tail is aligned; returns the position of its start."""
        self.largest = max(self.largest, align)
        self.chunks.append(b"\0" * (-(self.size + len(data) - tail) % align))
        self.chunks.append(data)
        self.size += len(self.chunks[-2]) + len(data)
        return self.size

    def string(self, text):
        data = text.encode()
        return self.put(struct.pack("<I", len(data)) + data + b"\0", 4)

    def vector(self, kind, values):
        kind, _, wanted = kind.partition("@")
        if kind in SCALARS:
            data = bytes(values) if isinstance(values, (bytes, bytearray)) else struct.pack(f"<{len(values)}{SCALARS[kind][1]}", *values)
            align = max(4, scalar_size(kind), int(wanted or 1))
            self.put(data, align)
            return self.put(struct.pack("<I", len(data) // scalar_size(kind)), 4)
        targets = [self.string(value) if kind == "string" else self.table(kind, value) for value in values]
        self.put(b"", 4)
        end = self.size
        fields = [struct.pack("<I", end + 4 * (len(targets) - i) - target) for i, target in enumerate(targets)]
        return self.put(struct.pack("<I", len(targets)) + b"".join(fields), 4)

    def table(self, name, values):
        unknown = set(values) - {field[0] for field in self.schema[name]}
        if unknown:
            raise KeyError(f"{name} has no field {sorted(unknown)}")
        fields = []  # (slot, size, bytes or position)
        for slot, field, kind, default in slots(self.schema, name):
            value = values.get(field)
            if value is None or value == default:
                continue
            if kind in SCALARS:
                fields.append((slot, scalar_size(kind), struct.pack(SCALARS[kind], value)))
            elif kind == "string":
                fields.append((slot, 4, self.string(value)))
            elif kind.startswith("["):
                fields.append((slot, 4, self.vector(kind[1:-1], value)))
            elif kind.startswith("union "):
                fields.append((slot, 1, struct.pack("<B", 1 + self.schema[kind].index(value[0]))))
                fields.append((slot + 1, 4, self.table(*value)))
            else:
                fields.append((slot, 4, self.table(kind, value)))
        at, places = 4, {}
        for slot, size, _ in sorted(fields, key=lambda field: (-field[1], field[0])):
            at += -at % size
            places[slot] = at
            at += size
        align = max([4] + [size for _, size, _ in fields])
        inside = bytearray(at)
        self.largest = max(self.largest, align)
        start = self.size + -(self.size + at) % align + at
        for slot, size, value in fields:
            data = value if isinstance(value, bytes) else struct.pack("<I", start - places[slot] - value)
            inside[places[slot]:places[slot] + size] = data
        count = 1 + max(places, default=-1)
        vtable = struct.pack(f"<{2 + count}H", 4 + 2 * count, at, *[places.get(slot, 0) for slot in range(count)])
        shared = self.vtables.get(vtable)
        # A vtable that is not there yet goes right before its table.
        inside[0:4] = struct.pack("<i", shared - start if shared else len(vtable))
        self.put(bytes(inside), align)
        if not shared:
            self.vtables[vtable] = self.put(vtable, 2)
        return start


def build(schema, root, values, identifier):
    builder = Builder(schema)
    target = builder.table(root, values)
    builder.put(b"", builder.largest, tail=-8)
    head = struct.pack("<I4s", builder.size + 8 - target, identifier)
    builder.put(head)
    return b"".join(reversed(builder.chunks))


class Reader:
    """Reads trusted files (our own and the ones in tests): a broken one ends in struct.error or IndexError."""

    def __init__(self, schema, data):
        self.schema, self.data = schema, memoryview(data)

    def get(self, kind, at):
        return struct.unpack_from(SCALARS[kind], self.data, at)[0]

    def follow(self, at):
        return at + self.get("uint32", at)

    def string(self, at):
        return bytes(self.data[at + 4:at + 4 + self.get("uint32", at)]).decode(errors="replace")

    def vector(self, kind, at):
        kind, _, _ = kind.partition("@")
        count = self.get("uint32", at)
        if kind in ("uint8", "int8"):
            return bytes(self.data[at + 4:at + 4 + count])
        if kind in SCALARS:
            return list(struct.unpack_from(f"<{count}{SCALARS[kind][1]}", self.data, at + 4))
        places = [self.follow(at + 4 + 4 * i) for i in range(count)]
        return [self.string(place) if kind == "string" else self.table(kind, place) for place in places]

    def table(self, name, at):
        vtable = at - self.get("int32", at)
        length = self.get("uint16", vtable)

        def place(slot):
            entry = 4 + 2 * slot
            inside = self.get("uint16", vtable + entry) if entry + 2 <= length else 0
            return at + inside if inside else None

        out = {}
        for slot, field, kind, default in slots(self.schema, name):
            where = place(slot)
            if kind.startswith("union "):
                number = self.get("uint8", where) if where else 0
                inner, members = place(slot + 1), self.schema[kind]
                member = members[number - 1] if 0 < number <= len(members) else None
                out[field] = (member, self.table(member, self.follow(inner))) if member in self.schema and inner else None
            elif where is None:
                out[field] = default
            elif kind in SCALARS:
                out[field] = self.get(kind, where)
            elif kind == "string":
                out[field] = self.string(self.follow(where))
            elif kind.startswith("["):
                out[field] = self.vector(kind[1:-1], self.follow(where))
            else:
                out[field] = self.table(kind, self.follow(where))
        return out


def read(schema, root, data, identifier):
    if bytes(data[4:8]) != identifier:
        raise ValueError(f"not a {identifier.decode()} file")
    reader = Reader(schema, data)
    return reader.table(root, reader.follow(0))
