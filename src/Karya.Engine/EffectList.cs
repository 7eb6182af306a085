using Karya.Engine.Journal;
using Karya.Engine.Shards;

namespace Karya.Engine;

/// <summary>A plan that a parked command needs from the tables.</summary>
/// <param name="WithDescendants">Its descendants that have not ended, too.</param>
/// <param name="Version">Goes into the pages that answer, see <see cref="Shards.LoadedPage.Version"/>.</param>
public readonly record struct PlanRequest(PlanId Plan, bool WithDescendants, long Version = 0);

/// <summary>A window of wake instants whose plans are wanted in memory: [From, To).</summary>
/// <param name="Partition">Of this partition only; <see cref="AllPartitions"/> for all that the shard has.</param>
/// <param name="Version">Goes into the pages that answer, see <see cref="Shards.LoadedPage.Version"/>.</param>
public readonly record struct HorizonRequest(
    long FromMs, long ToMs, int Partition = HorizonRequest.AllPartitions, long Version = 0)
{
    public const int AllPartitions = -1;
}

/// <summary>
/// What one turn of a shard asks for. The engine fills it and performs none of it; the node performs it and decides
/// nothing. Reused from turn to turn: whoever performs the effects is done with the list before the next turn.
/// </summary>
public sealed class EffectList
{
    /// <summary>
    /// The turn's records, or null when there are none. Whoever takes it returns it to the shard when it is durable.
    /// </summary>
    public JournalChunk? Chunk { get; internal set; }

    public Rows<Dispatch> Dispatches { get; } = new();

    public Rows<Revocation> Revocations { get; } = new();

    public Rows<Reply> Replies { get; } = new();

    public Rows<PlanRequest> PlanRequests { get; } = new();

    public Rows<HorizonRequest> HorizonRequests { get; } = new();

    /// <summary>Partitions that have been opened or let go of in this turn.</summary>
    public Rows<PartitionNotice> Notices { get; } = new();

    /// <summary>
    /// Ends of attempts whose partition has another owner by now, which wants to know of them, and requests that may be
    /// passed on to it. Their payloads belong to whoever takes them; their epochs are 0.
    /// </summary>
    public Rows<Command> Strays { get; } = new();

    /// <summary>
    /// Changes that the tables have to catch up with, or null. Confirmed by <c>ShardInbox.PostProjected</c>.
    /// </summary>
    public ProjectionBatch? Projection { get; internal set; }

    internal void Clear()
    {
        Chunk = null;
        Projection = null;
        Dispatches.Clear();
        Revocations.Clear();
        Replies.Clear();
        PlanRequests.Clear();
        HorizonRequests.Clear();
        Notices.Clear();
        Strays.Clear();
    }
}
