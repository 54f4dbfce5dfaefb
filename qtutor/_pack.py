"""Many figures that differ in a few numbers, stored in a few kilobytes.

The figures of a control grid are walked in parallel. A leaf (an array, a number, a text) that is the same
in all of them is stored once; one that varies is stored once per value of the controls it depends on.
x, y and z are rounded to 16 bits of their range over the whole grid, the rest to seven digits; then all is deflated.

    payload = base64(deflate(length of header, uint32 | header, JSON | blob of arrays))
    header  = {"shape": grid shape, "base": figure, "leaves": [leaf, ...], ...extra}
    leaf    = {"path": [...], "over": [grid axes], "pick": [item of each point] or absent, "items": ...}
"""

import base64
import itertools
import json
import math
import zlib

import numpy as np

GAP = 65535  # the 16-bit code of NaN and None
SMALL = 8  # arrays up to this size stay readable decimals in the header


def plain(node):
    """The JSON form of a figure, with every numeric list or packed array as a NumPy array of floats."""
    if isinstance(node, dict) and "bdata" in node:
        flat = np.frombuffer(base64.b64decode(node["bdata"]), dtype=node["dtype"])
        shape = [int(n) for n in str(node["shape"]).split(",")] if "shape" in node else [-1]
        return flat.reshape(shape).astype(float)
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if value is not None}
    if isinstance(node, np.ndarray):
        return plain(node.tolist())
    if isinstance(node, (list, tuple)):
        return _numbers(node) if _is_numeric(node) else [plain(value) for value in node]
    return node.item() if isinstance(node, np.generic) else node


def _is_numeric(node):
    rows = bool(node) and all(isinstance(row, (list, tuple)) for row in node)
    if rows and len({len(row) for row in node}) != 1:
        return False
    kinds = {type(v) for v in (itertools.chain(*node) if rows else node)} - {type(None)}
    return bool(kinds) and all(issubclass(k, (int, float, np.number)) and k is not bool for k in kinds)


def _numbers(node):
    return np.array(node, dtype=float)  # None becomes NaN


def same_traces(first, other):
    """Raise if the number of traces changes: neither life of a figure can follow that."""
    if first != other:
        raise ValueError(
            f"the figure has {first} traces at some values and {other} at others; keep empty ones"
        )


def leaves(nodes, path=()):
    """Yield (path, values) for each place of figures `nodes` that are walked side by side."""
    if all(isinstance(node, dict) for node in nodes):
        for key in dict.fromkeys(key for node in nodes for key in node):
            yield from leaves([node.get(key) for node in nodes], (*path, key))
    elif _same_length_of_dicts(nodes):
        for i in range(len(nodes[0])):
            yield from leaves([node[i] for node in nodes], (*path, i))
    else:
        yield path, nodes


def _same_length_of_dicts(nodes):
    lists = all(isinstance(n, list) and n and all(isinstance(v, dict) for v in n) for n in nodes)
    return lists and len({len(n) for n in nodes}) == 1


def pack(figures, shape, **extra):
    """Pack one plain figure per point of a grid (row-major) into a text; `extra` goes into the header."""
    base, table, blob = {}, [], bytearray()
    for path, values in leaves(figures):
        keys = [_key(value) for value in values]
        over, keys, values = _depends(keys, values, shape)
        _reach(base, path)
        big = path[-1] in ("x", "y", "z") and any(isinstance(v, np.ndarray) and v.size > SMALL for v in values)
        if not over and not big:
            _reach(base, path)[path[-1]] = _decimals(values[0])
            continue
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        distinct = sorted(first.values())
        number = {keys[i]: n for n, i in enumerate(distinct)}
        leaf = {"path": path, "over": over}
        if len(distinct) < len(keys):
            leaf["pick"] = [number[key] for key in keys]
        items = [_as_array(values[i]) if big else values[i] for i in distinct]
        axes = [_axis(figure, path) for figure in figures] if big else []
        if big and all(isinstance(v, np.ndarray) for v in items) and _alike(items, axes):
            leaf["items"] = _quantise(items, axes[0].get("type") == "log", blob)
        else:
            leaf["items"] = [_decimals(v) for v in items]
        table.append(leaf)
    header = {"shape": shape, "base": base, "leaves": table, **extra}
    header = json.dumps(header, separators=(",", ":")).encode()
    body = len(header).to_bytes(4, "little") + header + bytes(blob)
    return base64.b64encode(zlib.compress(body, 9)).decode()


def _as_array(value):
    """A missing, empty or all-gap list stands among arrays as an array."""
    empty = value is None or (isinstance(value, list) and all(v is None for v in value))
    return _numbers(value or []) if empty else value


def _key(value):
    is_array = isinstance(value, np.ndarray)
    return (value.shape, value.tobytes()) if is_array else json.dumps(value, default=np.ndarray.tolist)


def _depends(keys, values, shape):
    """The grid axes a leaf depends on, and its keys and values on those axes alone."""
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    ids = np.array([number[key] for key in keys]).reshape(shape)
    where = np.arange(len(keys)).reshape(shape)
    over = [k for k in range(len(shape)) if (ids != ids.take([0], axis=k)).any()]
    corner = tuple(slice(None) if k in over else 0 for k in range(len(shape)))
    return over, [keys[i] for i in where[corner].ravel()], [values[i] for i in where[corner].ravel()]


def _reach(base, path):
    """The container of `path` in `base`, made on the way."""
    node = base
    for here, after in itertools.pairwise(path):
        if isinstance(node, list):
            node.extend({} for _ in range(here + 1 - len(node)))
            node = node[here]
        else:
            node = node.setdefault(here, [] if isinstance(after, int) else {})
    return node


def _decimals(value):
    """JSON with at most seven significant digits."""
    if isinstance(value, (list, np.ndarray)):
        return [_decimals(v) for v in value]
    if isinstance(value, dict):
        return {k: _decimals(v) for k, v in value.items()}
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.7g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return value


def _axis(figure, path):
    """The axis along which an x or y of a trace is drawn; {} for anything else."""
    if path[0] != "data" or path[2:] not in (("x",), ("y",)):
        return {}
    name = figure["data"][path[1]].get(f"{path[2]}axis", path[2])
    return figure["layout"].get(f"{name[0]}axis{name[1:]}", {})


def _alike(items, axes):
    """Whether 16 bits of the common range do: on one fixed axis, or to a thousandth of each array's largest number."""
    if "range" in axes[0] and len({str(axis) for axis in axes}) == 1:
        return True
    top = max(known := [np.abs(item[np.isfinite(item)]).max(initial=0) for item in items])
    fine = all(2 * top <= 1e-3 * GAP * size or size < 1e-9 * top for size in known)  # less is rounding, or zero
    return {axis.get("type") == "log" for axis in axes} in ([{True}, {False}] if fine else [{True}])


def _quantise(items, log, blob):
    """Append arrays to `blob` as 16-bit differences, low bytes before high bytes; return how to read them."""
    values = np.concatenate([item.ravel() for item in items])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(np.where(values > 0, values, np.nan)) if log else values
    known = np.isfinite(values)
    low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 0.0)
    if (values[known] == np.round(values[known])).all() and high - low < GAP:
        high = low + GAP - 1  # whole numbers stay exact
    step = (high - low) / (GAP - 1) or 1.0
    codes = np.where(known, np.round((np.where(known, values, low) - low) / step), GAP).astype(np.int64)
    change = (np.diff(codes, prepend=0) % 65536).astype("<u2")
    where = {"at": len(blob), "count": len(codes), "low": float(low), "step": float(step), "log": log}
    blob += (change & 255).astype("u1").tobytes() + (change >> 8).astype("u1").tobytes()
    shapes = [list(item.shape) for item in items]
    where["shapes"] = shapes[:1] if all(s == shapes[0] for s in shapes) else shapes
    where["items"] = len(items)
    return where


def read(payload):
    """The header and the blob of arrays of a payload."""
    body = zlib.decompress(base64.b64decode(payload))
    size = 4 + int.from_bytes(body[:4], "little")
    return json.loads(body[4:size]), body[size:]


def unpack(payload, index):
    """The figure at a grid index, as the browser decodes it."""
    header, blob = read(payload)
    figure = json.loads(json.dumps(header["base"]))
    for leaf in header["leaves"]:
        dims = [header["shape"][k] for k in leaf["over"]]
        place = int(np.ravel_multi_index([index[k] for k in leaf["over"]], dims)) if dims else 0
        place = leaf["pick"][place] if "pick" in leaf else place
        items = leaf["items"]
        value = items[place] if isinstance(items, list) else _restore(items, blob)[place]
        if value is not None:
            _reach(figure, leaf["path"])[leaf["path"][-1]] = value
    return figure


def _restore(where, blob):
    low = np.frombuffer(blob, "u1", where["count"], where["at"]).astype(np.int64)
    high = np.frombuffer(blob, "u1", where["count"], where["at"] + where["count"])
    codes = np.cumsum(low + 256 * high.astype(np.int64)) % 65536
    values = np.where(codes == GAP, np.nan, where["low"] + codes * where["step"])
    values = np.exp(values) if where["log"] else values
    shapes = where["shapes"] * (where["items"] if len(where["shapes"]) == 1 else 1)
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(values, cuts), shapes)]
