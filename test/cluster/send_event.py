"""Send one CloudEvent with the official Python SDK: `send_event.py URL SOURCE ID < data.json`. Prints the broker's status."""

import json
import sys
import urllib.request

from cloudevents.core.bindings.http import to_binary_event
from cloudevents.core.v1.event import CloudEvent


def main() -> None:
    """Read the data from standard input, post the event in binary mode; fails on any answer but 2xx."""
    url, source, event_id = sys.argv[1:4]
    attributes = {
        "type": "dev.kaggle-agent.job.requested.v1",
        "source": source,
        "id": event_id,
        "specversion": "1.0",
        "datacontenttype": "application/json",
    }
    message = to_binary_event(CloudEvent(attributes=attributes, data=json.load(sys.stdin)))
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    request = urllib.request.Request(url, data=body, headers=dict(message.headers), method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        print(answer.status)


if __name__ == "__main__":
    main()
