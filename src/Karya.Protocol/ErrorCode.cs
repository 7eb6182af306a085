namespace Karya.Protocol;

/// <summary>
/// Why a request was refused or a connection is closed. The values are part of the protocol: append only. Their names
/// on the wire and in HTTP problems are those of <see cref="ErrorNames"/>.
/// </summary>
public enum ErrorCode
{
    None = 0,

    // The connection: the peer is told, then it is closed.
    HelloTimeout = 1,
    HelloRequired = 2,
    ProtocolVersion = 3,
    TooManyConnections = 4,
    NotKaryaProtocol = 5,
    FrameEmpty = 6,
    FrameTooShort = 7,
    FrameTooLarge = 8,
    FrameTimeout = 9,
    SlowReader = 10,
    IdleTimeout = 11,
    GoingAway = 12,

    // A frame or its body; the connection stays open.
    Malformed = 20,
    UnknownOpcode = 21,
    CorrelationInUse = 22,
    TooManyInFlight = 23,
    InvalidText = 24,
    OutOfRange = 25,

    // The request.
    InvalidUrl = 40,
    InvalidHeader = 41,
    InvalidName = 42,
    InvalidAddress = 43,
    InvalidCursor = 44,
    UnknownAction = 45,
    UnknownTrigger = 46,
    ChainTooDeep = 47,
    TooManyHooks = 48,
    PayloadTooLarge = 49,
    CronInvalid = 50,
    ConnectorMissing = 51,
    TooManyPlans = 52,
    InvalidId = 53,
    TopicNotAllowed = 54,
    UnknownSecret = 55,
    DeadLetterNotFound = 56,
    OperationNotFound = 57,

    UserNotFound = 60,
    PlanNotFound = 61,
    PlanFinished = 62,
    WrongState = 63,
    IdempotencyKeyReused = 64,
    DeliveryNotHeld = 65,

    // The node.
    Overloaded = 80,
    Unavailable = 81,
    Unknown = 82,
    Internal = 83,
    NotOwner = 84,
}
