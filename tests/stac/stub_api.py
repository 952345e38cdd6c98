"""A STAC API on loopback that answers from items in memory, well or badly; and items for it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import shapely

from schemas.windows import from_lonlat
from schemas.zones import crs_for

Json = dict[str, Any]
Answer = Callable[["Asked"], tuple[int, Any]]

CONFORMS = ["core", "item-search", "collections", "ogcapi-features"]
HREF = "https://pixels.example/{item}/{band}.tif"


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        path: below the root of the API, without query.
        base: address of the root.
    """

    method: str
    path: str
    base: str
    body: Json | None
    query: dict[str, str] = field(default_factory=dict)


@dataclass
class Log:
    """What a server was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)

    def searches(self) -> list[Json]:
        return [a.body or {} for a in self.asked if a.path == "/search"]


@contextmanager
def serving(answer: Answer) -> Iterator[Log]:
    """A server whose answers a function gives; (status, JSON or text)."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            path = self.path.split("?")[0].removeprefix("/stac") or "/"
            query = dict(parse_qsl(urlsplit(self.path).query))
            asked = Asked(self.command, path, log.url, body, query)
            with lock:
                log.asked.append(asked)
            status, said = answer(asked)
            text = said if isinstance(said, str) else json.dumps(said)
            self.send_response(status)
            self.send_header("Content-Type", "application/geo+json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _do

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    log = Log(f"http://127.0.0.1:{server.server_port}/stac")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield log
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def landing(base: str, conforms: list[str] = CONFORMS) -> Json:
    """The root document of an API."""
    classes = [
        f"https://api.stacspec.org/v1.0.0/{name}"
        if not name.startswith("ogcapi")
        else "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core"
        for name in conforms
    ]
    return {
        "type": "Catalog", "id": "stub", "stac_version": "1.0.0", "description": "x",
        "conformsTo": classes,
        "links": [
            {"rel": "self", "href": base}, {"rel": "root", "href": base},
            {"rel": "data", "href": f"{base}/collections", "type": "application/json"},
            {"rel": "search", "href": f"{base}/search", "type": "application/geo+json",
             "method": "POST"},
        ],
    }  # fmt: skip


def collection(name: str, base: str, **more: Any) -> Json:
    return {
        "type": "Collection", "id": name, "stac_version": "1.0.0", "description": "x",
        "license": "proprietary",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
        "links": [{"rel": "self", "href": f"{base}/collections/{name}"}], **more,
    }  # fmt: skip


@dataclass
class Catalogue:
    """An API with paging by offset. Its quirks are those of servers seen in the wild.

    Attributes:
        size: most items a page.
        deaf: whether it ignores what it is asked for.
        counts: whether it says how many items match.
        collections: documents; made from the items' ids when empty.
        page: changes a page before it is sent: (page, offset, matching items, base) -> page.
    """

    items: list[Json]
    size: int = 3
    deaf: bool = False
    counts: bool = True
    collections: list[Json] = field(default_factory=list)
    page: Callable[[Json, int, list[Json], str], Json] = lambda page, *_: page

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/":
            return 200, landing(asked.base)
        if asked.path.startswith("/collections"):
            return self._collections(asked)
        if asked.path != "/search" or asked.method != "POST":
            return 404, {"detail": "nothing here"}
        body = asked.body or {}
        start = int(body.get("token", 0))
        found = self.items if self.deaf else [i for i in self.items if matches(i, body)]
        size = min(self.size, int(body["limit"]))
        page: Json = {
            "type": "FeatureCollection",
            "features": found[start : start + size],
            "links": [],
        }
        if self.counts:
            page["numberMatched"] = len(found)
        if start + size < len(found):
            page["links"] = [following(asked.base, body, start + size)]
        return 200, self.page(page, start, found, asked.base)

    def _collections(self, asked: Asked) -> tuple[int, Any]:
        names = dict.fromkeys(i["collection"] for i in self.items)
        known = self.collections or [collection(name, asked.base) for name in names]
        _, _, name = asked.path[1:].partition("/")
        if not name:
            return 200, {"collections": known, "links": []}
        found = [c for c in known if c["id"] == name]
        return (200, found[0]) if found else (404, {"detail": "no such collection"})


def following(base: str, body: Json, token: Any) -> Json:
    """A link to the next page."""
    href = f"{base}/search"
    return {"rel": "next", "method": "POST", "href": href, "body": {**body, "token": token}}


def matches(item: Json, body: Json) -> bool:
    """As the specification has it, for boxes and closed intervals of time."""
    if item["collection"] not in body.get("collections", [item["collection"]]):
        return False
    box = body.get("bbox")
    if box and not shapely.box(*box).intersects(shapely.geometry.shape(item["geometry"])):
        return False
    first, last = (body.get("datetime") or "/").split("/")
    when = item["properties"]["datetime"]
    return (first or when) <= when <= (last or when)


def s2(
    name: str,
    lon: float = 10.2,
    lat: float = 47.2,
    when: str = "2023-06-01T10:00:00Z",
    side: float = 0.2,
    **more: Any,
) -> Json:
    """A Sentinel-2 item as Planetary Computer has it: no type, no nodata, no licence."""
    collection_id = more.pop("collection", "sentinel-2-l2a")
    crs = crs_for(lon, lat)
    xs, ys = from_lonlat(crs, np.array([lon]), np.array([lat + side]))
    left, top = (10 * round(float(v[0]) / 10) for v in (xs, ys))
    place = {"proj:epsg": int(crs[5:]), "proj:shape": [200, 200],
             "proj:transform": [10, 0, left, 0, -10, top]}  # fmt: skip
    assets = {
        band: {
            "href": HREF.format(item=name, band=band), "roles": ["data"], "gsd": 10, **place,
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "eo:bands": [{"name": band, "common_name": colour}],
        }
        for band, colour in (("B02", "blue"), ("B03", "green"), ("B04", "red"), ("B08", "nir"),
                             ("B11", "swir16"), ("SCL", "scl"))
    }  # fmt: skip
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": name,
        "collection": collection_id,
        "geometry": shapely.geometry.mapping(shapely.box(lon, lat, lon + side, lat + side)),
        "bbox": [lon, lat, lon + side, lat + side],
        "properties": {"datetime": when, "platform": "Sentinel-2A", "eo:cloud_cover": 5.0,
                       "s2:processing_baseline": "05.09", **more},
        "links": [], "assets": assets,
    }  # fmt: skip
