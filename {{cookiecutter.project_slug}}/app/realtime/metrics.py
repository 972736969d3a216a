from prometheus_client import Counter, Gauge

STREAMS = Gauge("event_streams_open", "Open streams of events", multiprocess_mode="livesum")
PUBLISHED = Counter("events_published", "Events that this service has published")
DELIVERED = Counter("events_delivered", "Events queued for a client, once for each")
DROPPED = Counter("frames_dropped", "Frames whose client was too slow or left before it had them")
QUEUED = Gauge("frames_queued", "Frames that wait for their client", multiprocess_mode="livesum")
