# SPDX-License-Identifier: MIT
"""Reads a Perfetto trace, written from its public .proto files.

As a script: perfetto.py FILE prints what each track has.
"""
import struct
import sys

# message: {field: (name, kind)}; kind is a scalar, or the name of a message.
MESSAGES = {
    "Trace": {1: ("packet", "TracePacket")},
    "TracePacket": {
        8: ("timestamp", "uint"), 10: ("sequence", "uint"),
        11: ("event", "TrackEvent"), 13: ("flags", "uint"),
        60: ("track", "TrackDescriptor")},
    "TrackDescriptor": {
        1: ("uuid", "uint"), 2: ("name", "text"), 5: ("parent", "uint"),
        11: ("ordering", "uint"), 12: ("rank", "int")},
    "TrackEvent": {
        4: ("note", "DebugAnnotation"), 9: ("type", "uint"),
        11: ("track", "uint"), 22: ("category", "text"), 23: ("name", "text"),
        47: ("flow", "fixed64"), 48: ("flow_ends", "fixed64")},
    "DebugAnnotation": {
        4: ("int", "int"), 6: ("text", "text"), 10: ("name", "text")},
}
WIRE = {"uint": 0, "int": 0, "fixed64": 1, "text": 2}
BEGIN, END, INSTANT = 1, 2, 3


class Bad(Exception):
    pass


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Bad(f"varint at {at}")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & (1 << 64) - 1, at


def decode(data, message):
    """{name: [values]}; a field that is not in the table is an error."""
    fields, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number not in MESSAGES[message]:
            raise Bad(f"{message} has no field {number} here")
        name, kind = MESSAGES[message][number]
        if wire != WIRE.get(kind, 2):
            raise Bad(f"{message}.{name} has wire type {wire}")
        if wire == 0:
            value, at = varint(data, at)
            if kind == "int" and value >> 63:
                value -= 1 << 64
        elif wire == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        else:
            size, at = varint(data, at)
            if at + size > len(data):
                raise Bad(f"{message}.{name} is cut off")
            raw, at = data[at:at + size], at + size
            value = raw.decode("utf-8") if kind == "text" else \
                decode(raw, kind)
        fields.setdefault(name, []).append(value)
    return fields


def one(fields, name, default=None):
    values = fields.get(name, [default])
    if len(values) != 1:
        raise Bad(f"{name} is there {len(values)} times")
    return values[0]


class Event:
    def __init__(self, packet):
        event = one(packet, "event")
        self.when = one(packet, "timestamp")
        self.type = one(event, "type")
        self.track = one(event, "track")
        self.name = one(event, "name")
        self.category = one(event, "category")
        self.flow = event.get("flow", [])
        self.flow_ends = event.get("flow_ends", [])
        self.notes = {one(n, "name"): n.get("text", n.get("int"))[0]
                      for n in event.get("note", [])}


class Trace:
    """tracks: {uuid: name}; parents, ranks likewise; events in file order."""

    def __init__(self, data):
        self.tracks, self.parents, self.ranks = {}, {}, {}
        self.events = []
        sequences = set()
        for packet in decode(data, "Trace").get("packet", []):
            sequences.add(one(packet, "sequence"))
            if "track" in packet:
                track = one(packet, "track")
                uuid = one(track, "uuid")
                if uuid in self.tracks:
                    raise Bad(f"track {uuid} is there twice")
                self.tracks[uuid] = one(track, "name")
                self.parents[uuid] = one(track, "parent")
                self.ranks[uuid] = one(track, "rank")
            else:
                self.events.append(Event(packet))
        if len(sequences) > 1 or 0 in sequences:
            raise Bad("packets of more than one sequence, or of none")

    def of(self, name):
        """The events of the only track whose name begins so."""
        uuids = [u for u, n in self.tracks.items() if n.startswith(name)]
        if len(uuids) != 1:
            raise Bad(f"{len(uuids)} tracks '{name}...'")
        return [e for e in self.events if e.track == uuids[0]]

    def slices(self, name):
        """(name, from, to) of that track's slices, in order of their ends."""
        done, stack = [], []
        for e in self.of(name):
            if e.type == BEGIN:
                stack.append(e)
            elif e.type == END:
                done.append((stack[-1].name, stack.pop().when, e.when))
        return done


def problems(trace):
    """What no trace may have."""
    found, depth, last, sources, ends = [], {}, {}, {}, []
    for e in trace.events:
        where = f"track {trace.tracks.get(e.track)}, {e.name} at {e.when}"
        if e.track not in trace.tracks:
            found.append(f"{where}: no such track")
        if e.when < last.get(e.track, 0):
            found.append(f"{where}: before the one before")
        last[e.track] = e.when
        depth.setdefault(e.track, 0)
        if e.type == BEGIN:
            depth[e.track] += 1
        elif e.type == END:
            depth[e.track] -= 1
        elif e.type != INSTANT:
            found.append(f"{where}: type {e.type}")
        if depth[e.track] < 0:
            found.append(f"{where}: an end without a begin")
        if e.type != END and not e.name:
            found.append(f"{where}: no name")
        for flow in e.flow:
            if flow in sources:
                found.append(f"{where}: flow {flow} begins twice")
            sources[flow] = e.when
        for flow in e.flow_ends:
            ends.append(flow)
            if sources.get(flow, e.when + 1) > e.when:
                found.append(f"{where}: flow {flow} ends before it begins")
    if sorted(ends) != sorted(sources):
        found.append("a flow has no end, or two")
    for uuid, level in depth.items():
        if level != 0:
            found.append(f"track {trace.tracks.get(uuid)}: {level} slices "
                         "have no end")
    for uuid, parent in trace.parents.items():
        if parent is not None and parent not in trace.tracks:
            found.append(f"track {uuid}: its parent {parent} is no track")
    names = list(trace.tracks.values())
    if len(set(names)) != len(names):
        found.append("two tracks have the same name")
    return found


def main():
    with open(sys.argv[1], "rb") as f:
        trace = Trace(f.read())
    for line in problems(trace):
        print("! " + line)
    start = min((e.when for e in trace.events), default=0)
    for uuid, name in trace.tracks.items():
        print(name)
        level = 1
        for e in trace.events:
            if e.track != uuid:
                continue
            level -= e.type == END
            sign = {BEGIN: "[", END: "]", INSTANT: "."}[e.type]
            flows = "".join(f" ->{f}" for f in e.flow) + \
                "".join(f" <-{f}" for f in e.flow_ends)
            print(f"{'  ' * level}{sign} {(e.when - start) / 1e3:10.1f} us "
                  f"{e.name or ''}{flows} {e.notes or ''}")
            level += e.type == BEGIN


if __name__ == "__main__":
    main()
