# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The reference server's POST /api/{category}/files (wire reference 4.3, 5): takes a request apart by itself and notes every offence
# against the reference, headers and parts alike.
import hashlib
import json
import re

CONTENT_TYPES = {".wav": "audio/wav", ".cbor": "application/cbor", ".json": "application/json", ".jpg": "image/jpeg",
                 ".jpeg": "image/jpeg", ".png": "image/png", ".csv": "text/csv", ".txt": "text/plain", ".mp4": "video/mp4",
                 ".avi": "video/avi", ".parquet": "application/vnd.apache.parquet"}
LABEL_FILES = {"structured_labels.labels": ("structured-labels", "structuredLabels"),
               "bounding_boxes.labels": ("bounding-box-labels", "boundingBoxes"),
               "attachments.labels": ("attachments", "attachments"), "label_map.labels": ("label-map-labels", "labels")}
# What a request may carry besides what every HTTP client sends.
KNOWN = {"x-api-key", "x-upload-source", "x-device-type", "x-label", "x-no-label", "x-disallow-duplicates", "x-metadata", "x-add-date-id",
         "x-tml-signature"}
LIMIT = 100 << 20


class Part:
    def __init__(self, head, body):
        self.headers = {}
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        disposition = self.headers.get("content-disposition", "")
        found = re.fullmatch(r'form-data; name="([^"]*)"; filename="([^"]*)"', disposition)
        if not found:
            raise ValueError(f"content-disposition {disposition!r}")
        self.name, self.file_name = found[1], found[2]
        self.body = body


def parts_of(content_type, body):
    """The parts of a multipart body, read strictly (RFC 2046): no preamble, CRLF everywhere, the closing boundary at the end."""
    found = re.fullmatch(r"multipart/form-data; boundary=([!-~]{1,70})", content_type)
    if not found:
        raise ValueError(f"content type {content_type!r}")
    boundary = b"--" + found[1].encode()
    if not body.startswith(boundary + b"\r\n") or not body.endswith(b"\r\n" + boundary + b"--\r\n"):
        raise ValueError("the body does not begin or end with the boundary")
    inside = body[len(boundary) + 2:-(len(boundary) + 6)]
    parts = []
    for piece in inside.split(b"\r\n" + boundary + b"\r\n"):
        head, separator, content = piece.partition(b"\r\n\r\n")
        if not separator:
            raise ValueError("a part without the empty line after its headers")
        parts.append(Part(head, content))
    return parts


def faults_of(headers, parts):
    """What the reference forbids in a request of one sample."""
    faults = [f"unknown header {name}" for name in headers if name.startswith("x-") and name not in KNOWN]
    for name, wanted in (("x-upload-source", "EDGE_IMPULSE_CLI_UPLOADER"), ("x-device-type", "EDGE_IMPULSE_CLI")):
        if headers.get(name) != wanted:
            faults.append(f"{name}: {headers.get(name)!r}")
    if headers.get("x-disallow-duplicates", "1") != "1":
        faults.append("x-disallow-duplicates is not 1")
    if ("x-no-label" in headers) != (headers.get("x-label") == ""):
        faults.append("an empty x-label and x-no-label belong together")
    if "x-metadata" in headers:
        metadata = json.loads(headers["x-metadata"])
        if not all(isinstance(value, str) for value in metadata.values()):
            faults.append("x-metadata is no object of texts")
    if "expect" in headers or "chunked" in headers.get("transfer-encoding", ""):
        faults.append("a body without a length, or one that is announced")
    names = [part.file_name for part in parts]
    if len(set(names)) != len(names):
        faults.append(f"two parts of one name: {names}")
    order = ["structured_labels.labels", "bounding_boxes.labels", "", "attachments.labels", "label_map.labels"]
    ranks = [order.index(name if name in LABEL_FILES else "") for name in names[1:]]
    if ranks != sorted(ranks):
        faults.append(f"parts out of order: {names}")
    attachments = [part for part in parts[1:] if part.file_name not in LABEL_FILES]
    for part in parts:
        if part.name != "data":
            faults.append(f"part named {part.name!r}")
        extra = set(part.headers) - {"content-disposition", "content-type"}
        if extra:
            faults.append(f"part headers {extra}")
        extension = re.search(r"\.[^.]*$", part.file_name)
        wanted = "application/json" if part.file_name in LABEL_FILES else CONTENT_TYPES.get(extension[0].lower() if extension else "")
        if part.headers.get("content-type") != (wanted or "application/octet-stream"):
            faults.append(f"{part.file_name} as {part.headers.get('content-type')}")
        if part.file_name in LABEL_FILES:
            kind, member = LABEL_FILES[part.file_name]
            content = json.loads(part.body)
            if content.get("version") != 1 or content.get("type") != kind or list(content.get(member, {})) != [names[0]]:
                faults.append(f"{part.file_name}: {content}")
            if part.file_name == "attachments.labels" and \
                    [entry["filename"] for entry in content[member][names[0]]] != [other.file_name for other in attachments]:
                faults.append(f"attachments.labels does not name the parts: {content}")
    if attachments and "attachments.labels" not in names:
        faults.append("attachments without attachments.labels")
    return faults


def take(server, category, headers, body):
    """(status, content type, body) of a /files request; None = stored, and the answer is lost."""
    def answer(status, value):
        return status, "application/json", json.dumps(value).encode()

    if headers.get("x-api-key") not in server.api_keys:
        return answer(401, {"success": False, "error": "missing or invalid x-api-key"})
    if server.fail_uploads > 0:
        server.fail_uploads -= 1
        return answer(500, {"success": False, "error": "internal error"})
    try:
        parts = parts_of(headers.get("content-type", ""), body)
        faults = faults_of(headers, parts)
    except ValueError as error:
        server.offend("uploader", str(error))
        return answer(400, {"success": False, "error": str(error)})
    for fault in faults:
        server.offend("uploader", fault)
    sample = parts[0]
    digest = hashlib.sha256(sample.body).hexdigest()
    if len(sample.body) > LIMIT or not sample.body:
        return answer(200, {"success": True, "files": [{"success": False, "error": "File is empty or too large"}]})
    with server.changed:
        if headers.get("x-disallow-duplicates") and any(one["sha256"] == digest for one in server.samples):
            return answer(200, {"success": True, "files": [{"success": False, "error": "An item with this hash already exists"}]})
        server.samples.append({"name": sample.file_name, "label": server.label_of(headers, sample.file_name), "category": category,
                               "sha256": digest, "body": sample.body, "headers": headers,
                               "side": {part.file_name: part.body for part in parts[1:]}})
    server.note("stored", name=sample.file_name)
    if server.lose_answers > 0:
        server.lose_answers -= 1
        return None
    return answer(200, {"success": True, "files": [{"success": True, "projectId": 14, "sampleId": len(server.samples),
                                                   "fileName": sample.file_name}]})
