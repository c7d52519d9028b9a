"""Every error of ours.

DetectionError
├── InvalidEvent        an event can never be judged; it is dead-lettered, the others go on
├── InvalidArtifact     a model on disk is not what its manifest says
├── InvalidSource       a file or an option of the caller's cannot be used
├── InvalidEntry        a line of a list is no address, range or name
├── InvalidPolicy       thresholds, actions or times to live that cannot be meant
├── Unavailable         Kafka, Redis or PostgreSQL did not answer within the deadline
└── OwnershipLost       another worker has moved the fence; our copy of the state is void
"""


class DetectionError(Exception):
    """Root of all errors raised here; the message names the thing, the value and the rule."""


class InvalidEvent(DetectionError):
    pass


class InvalidArtifact(DetectionError):
    pass


class InvalidSource(DetectionError):
    pass


class InvalidEntry(DetectionError):
    pass


class InvalidPolicy(DetectionError):
    pass


class Unavailable(DetectionError):
    pass


class OwnershipLost(DetectionError):
    pass
