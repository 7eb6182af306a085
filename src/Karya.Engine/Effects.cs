namespace Karya.Engine;

/// <summary>How a command ended. The values are stable.</summary>
public enum ReplyCode : byte
{
    Ok = 0,

    /// <summary>No such plan or task.</summary>
    NotFound = 1,

    /// <summary>The plan id exists already.</summary>
    AlreadyExists = 2,

    /// <summary>The state forbids it: the task runs already, say.</summary>
    WrongState = 3,

    /// <summary>A queue is full; nothing was done. Try again later.</summary>
    Overloaded = 4,

    /// <summary>The node is stopping or does not own the partition; nothing was done.</summary>
    NotOwner = 5,

    /// <summary>The store may or may not have it. Retry with the same id.</summary>
    Unknown = 6,

    /// <summary>An update was made from a body that the plan has no more; nothing was done. Make it anew.</summary>
    Changed = 7,
}

/// <summary>The answer to a command. It leaves the engine only when what it says is durable.</summary>
public struct Reply
{
    public ReplyCode Code;
    public PlanId Plan;

    /// <summary>That of the command.</summary>
    public ulong Tag;

    public IReplyTarget Target;
}

/// <summary>
/// Somebody who waits for a <see cref="Reply"/>. Called on the thread that hands out effects: must not block or throw.
/// </summary>
public interface IReplyTarget
{
    void Complete(in Reply reply);

    /// <summary>
    /// The replies of a turn have all been given; called once or more. A target of many sends now what it has gathered.
    /// </summary>
    void EndOfTurn()
    {
    }
}

/// <summary>
/// Stop this attempt, whose plan was cancelled: if it has not begun it must not begin, and is given back (<see
/// cref="CommandKind.AttemptReleased"/>); a worker is told that what it does is in vain. Its outcome is still expected.
/// </summary>
/// <param name="Epoch">Under which it was handed out: a node may hold one of an earlier epoch, too.</param>
/// <param name="IsPulled">It is with a worker, or will be.</param>
public readonly record struct Revocation(TaskKey Key, int Attempt, long Epoch, bool IsPulled);

/// <summary>Run this attempt now.</summary>
/// <remarks>
/// <see cref="Body"/> is a rented copy of the plan's body; whoever carries out the attempt returns it to
/// <c>ArrayPool&lt;byte&gt;.Shared</c> when the outcome has been posted.
/// </remarks>
public struct Dispatch
{
    public TaskKey Key;
    public UserId User;
    public int Partition;
    public long Epoch;

    /// <summary>From 1.</summary>
    public int Attempt;

    public int AttemptsMax;

    /// <summary>When the task was first due: milliseconds since 1970 UTC.</summary>
    public long DueMs;

    /// <summary>When this attempt was due: the task's due instant, or that of the retry.</summary>
    public long AttemptDueMs;

    /// <summary>When the engine handed it out.</summary>
    public long StartedMs;

    public uint Lane;

    /// <summary>For a worker, not for a connector.</summary>
    public bool IsPulled;

    public byte[] Body;
    public int BodyBytes;
}
