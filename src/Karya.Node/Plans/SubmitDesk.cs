using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Protocol;

namespace Karya.Node.Plans;

/// <summary>
/// Where plans that came over the wire become commands, many at once and without waiting; and, for those that need it,
/// one at a time with waiting.
/// </summary>
/// <remarks>
/// <code>
/// SubmissionReader ─► TryPrepare ─► commands, a list per shard ─► Post ─► replies by tag, when they are durable
///                         └ user not known yet ─► KnowUserAsync, then again
/// </code>
/// Thread-safe.
/// </remarks>
internal sealed class SubmitDesk
{
    private const int KnownUsersMax = 100_000; // About 10 MB; beyond it the store is asked again.

    private readonly DeskOptions _options;
    private readonly StoreReads _reads;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly TickClock _ticks;
    private readonly PlanIds _ids;
    private readonly Predicate<int>? _isHere;
    private readonly ConcurrentDictionary<UserId, bool> _knownUsers = new();

    /// <param name="options">How plans are completed.</param>
    /// <param name="reads">Asks the store.</param>
    /// <param name="shards">Of this node.</param>
    /// <param name="ticks">Store time.</param>
    /// <param name="ids">Makes ids.</param>
    /// <param name="isHere">
    /// Whether this node has a partition: a plan whose id it chooses falls into one that it has, so that the submit
    /// needs no hop; others are passed on. Null when it has all.
    /// </param>
    public SubmitDesk(
        DeskOptions options, StoreReads reads, IReadOnlyList<Shard> shards, TickClock ticks, PlanIds ids,
        Predicate<int>? isHere = null)
    {
        _options = options;
        _reads = reads;
        _shards = shards;
        _ticks = ticks;
        _ids = ids;
        _isHere = isHere;
    }

    public int ShardCount => _shards.Count;

    /// <summary>What plans may ask for.</summary>
    public ActionRules Rules => _options.Rules;

    public int ShardOf(in Command command) => command.Partition % _shards.Count;

    public bool KnowsUser(UserId user) => _knownUsers.ContainsKey(user);

    /// <summary>Asks the store for a user; false when there is none.</summary>
    public async ValueTask<bool> KnowUserAsync(UserId user, CancellationToken stopping)
    {
        if (_knownUsers.ContainsKey(user))
            return true;
        if (!await _reads.AskAsync(store => store.UserExists(user), stopping))
            return false;
        if (_knownUsers.Count < KnownUsersMax)
            _knownUsers[user] = true;
        return true;
    }

    /// <summary>
    /// Gives a submission its id and its instants. The command takes the body over. Whether the user exists is the
    /// caller's to ask.
    /// </summary>
    public Command Prepare(in Submission submission, PlanId parent)
    {
        long nowMs = _ticks.NowMs();
        var id = submission.Id == PlanId.None ? NewId(nowMs) : submission.Id;
        var spec = submission.Spec;
        spec.Id = id;
        spec.Parent = parent;
        spec.CreatedMs = nowMs;
        spec.FirstDueMs = submission.Schedule is { } cron
            ? cron.NextMs(nowMs) ?? Limits.InstantMsMax - 1
            : Math.Min(submission.FirstMs ?? nowMs + submission.DelayMs, Limits.InstantMsMax - 1);
        if (submission.FirstMs is not null && spec.Kind == ScheduleKind.Once)
            spec.PeriodMs = Math.Max(1, spec.FirstDueMs - nowMs); // As if it had been asked for that way.
        if (spec.RetryDelayMs == 0)
            spec.RetryDelayMs = Math.Min(_options.RetryDelayMs, DelayMsMaxOf(spec));
        if (spec.RetryDelayMsMax == 0)
            spec.RetryDelayMsMax = Math.Max(_options.RetryDelayMsMax, spec.RetryDelayMs);

        return new Command
        {
            Kind = CommandKind.Submit,
            Partition = PartitionHash.Of(id.Value, _options.PartitionCount),
            Key = new TaskKey(id, 0, 0),
            AtMs = nowMs,
            Spec = spec,
            Hooks = submission.Hooks,
            Cron = submission.Schedule?.ToBytes(),
            Payload = submission.Body,
            PayloadBytes = submission.BodyBytes,
            MayExist = submission.Id != PlanId.None,
            MayPassOn = _isHere is not null,
        };
    }

    /// <summary>The id of a new plan. When this node has no partition, its shard says so of the submit.</summary>
    public PlanId NewId(long nowMs)
    {
        var id = _isHere is null ? PlanId.None : _ids.New(nowMs, _options.PartitionCount, _isHere);
        return id == PlanId.None ? _ids.New(nowMs) : id;
    }

    private static int DelayMsMaxOf(in PlanSpec spec) =>
        spec.RetryDelayMsMax > 0 ? spec.RetryDelayMsMax : int.MaxValue;

    /// <summary>Hands commands of one shard in. Returns how many it took; the others stay the caller's.</summary>
    public int Post(int shard, ReadOnlySpan<Command> commands) => _shards[shard].Inbox.PostRequests(commands);

    /// <summary>
    /// Whether a plan that is there came of the same request. False also when it has no fingerprint: another kind of
    /// client made it.
    /// </summary>
    public async ValueTask<bool> IsSameAsync(PlanId id, ulong fingerprint, PlanDesk desk, CancellationToken stopping)
    {
        var stored = await desk.FindStoredAsync(id, stopping);
        return stored is not null && PlanBodyCodec.Read(stored.Body).Fingerprint == fingerprint;
    }

    /// <summary>Reads a plan as it is on the wire.</summary>
    /// <exception cref="DeskException">With the fault.</exception>
    public static Submission Read(ReadOnlySpan<byte> plan, ActionRules rules, string? key)
    {
        var reader = new WireReader(plan);
        return SubmissionReader.TryRead(ref reader, rules, Encoding.UTF8.GetBytes(key ?? ""), out var submission)
            ? submission
            : throw new DeskException(reader.Fault!);
    }

    public static void Drop(in Command command)
    {
        if (command.Payload is { } payload)
            ArrayPool<byte>.Shared.Return(payload);
    }
}
