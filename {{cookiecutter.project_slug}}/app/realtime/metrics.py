from prometheus_client import Counter, Gauge

STREAMS = Gauge("event_streams_open", "Open event streams", multiprocess_mode="livesum")
PUBLISHED = Counter("events_published", "Events published by this service")
DELIVERED = Counter("events_delivered", "Events queued for a client, counted once per client")
DROPPED = Counter("frames_dropped", "Queued frames discarded because the client was slow or left")
QUEUED = Gauge("frames_queued", "Frames queued for clients", multiprocess_mode="livesum")
BROKER_CONNECTED = Gauge(
    "broker_connected", "1 while events reach other processes", multiprocess_mode="livemin"
)
