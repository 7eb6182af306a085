namespace Karya.Engine;

/// <summary>
/// What kind of thing made an attempt fail, for people to filter and count by. The engine carries it along and decides
/// nothing by it. The values are stored; append only.
/// </summary>
public enum FailureClass : byte
{
    /// <summary>None of the others, or recorded before there were classes.</summary>
    Other = 0,

    /// <summary>No complete answer in time.</summary>
    Timeout = 1,

    /// <summary>Nothing listens at the address.</summary>
    Refused = 2,

    /// <summary>The name has no address.</summary>
    Dns = 3,

    /// <summary>No encrypted connection came about: its certificate, say.</summary>
    Tls = 4,

    /// <summary>The connection broke, or could not be made for another reason.</summary>
    Connection = 5,

    /// <summary>A status that is neither a success nor an error: a redirect, say.</summary>
    Http3xx = 6,

    /// <summary>The target found fault with the request.</summary>
    Http4xx = 7,

    /// <summary>The target failed.</summary>
    Http5xx = 8,

    /// <summary>The target asks for fewer requests: status 429, or what its own protocol has for it.</summary>
    RateLimited = 9,

    /// <summary>What came back is not what the protocol allows.</summary>
    InvalidAnswer = 10,

    /// <summary>The target said no in words of its own protocol: Slack, a mail server, a Kafka broker.</summary>
    Rejected = 11,

    /// <summary>The target did not accept the credentials of the configuration.</summary>
    SignIn = 12,

    /// <summary>The target may not be called from here.</summary>
    EgressDenied = 13,

    /// <summary>The action's connector is not configured.</summary>
    NotConfigured = 14,

    /// <summary>The action cannot be carried out as it is.</summary>
    InvalidAction = 15,

    /// <summary>A secret that the action refers to cannot be had.</summary>
    Secret = 16,

    /// <summary>The worker's own code failed.</summary>
    Worker = 17,

    /// <summary>The worker was not heard of any more.</summary>
    WorkerLost = 18,

    /// <summary>The node stopped while the attempt was running.</summary>
    NodeStopped = 19,

    /// <summary>The plan was cancelled while the attempt was running.</summary>
    Cancelled = 20,

    /// <summary>The plan that was to be started was refused.</summary>
    ChainedPlan = 21,
}
