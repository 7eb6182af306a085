namespace Karya.Protocol;

/// <summary>
/// What a frame is. The values are part of the protocol: append only, and what is retired stays reserved. A reply has
/// the opcode of its request with the highest bit set; <see cref="Error"/> answers any request.
/// </summary>
public enum Opcode : byte
{
    None = 0,

    Hello = 0x01,
    Ping = 0x02,

    Submit = 0x10,
    SubmitMany = 0x11,
    Update = 0x12,
    Cancel = 0x13,
    Get = 0x14,
    List = 0x15,
    Summary = 0x16,
    Tasks = 0x17,
    Errors = 0x18,
    CreateUser = 0x19,
    FindUser = 0x1A,
    Trigger = 0x1B,
    Map = 0x1C,
    Stats = 0x1D,
    Result = 0x1E,

    Cluster = 0x20,
    Drain = 0x21,
    Connectors = 0x22,
    DeadLetters = 0x23,
    DeadLetter = 0x24,
    StartOperation = 0x25,
    Operations = 0x26,

    Subscribe = 0x30,
    Finish = 0x31,
    Extend = 0x32,
    Progress = 0x33,

    /// <summary>Pushed: another node owns partitions now.</summary>
    MapChanged = 0x40,

    /// <summary>Pushed: the node stops; ask another one.</summary>
    GoingAway = 0x41,

    /// <summary>Pushed to a worker: a task to carry out.</summary>
    Delivery = 0x42,

    /// <summary>Pushed to a worker: the delivery is no longer its own, and what it does for it is in vain.</summary>
    Revoke = 0x43,

    /// <summary>Between nodes: a command for a partition of the one that is asked.</summary>
    Forward = 0x50,

    /// <summary>Between nodes: answered when the tables have all that was acknowledged of some partitions.</summary>
    CatchUp = 0x51,

    /// <summary>Added to the opcode of a request: its reply.</summary>
    Reply = 0x80,

    Error = 0xFF,
}
