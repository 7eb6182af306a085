using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>A dead letter with what filters look at.</summary>
internal sealed record DeadLetter(
    StoredTask Task, UserId User, string Description, string Connector, string Target)
{
    public string Failure => FailureNames.Of(Task.Failure);
}

/// <param name="Looked">How many rows were looked at.</param>
/// <param name="Next">The next page is below this; null when this one is the last.</param>
internal sealed record DeadLetterScan(IReadOnlyList<DeadLetter> Letters, int Looked, TaskKey? Next);

/// <summary>
/// Looks through dead letters. The store has them in the order of their plans; what a filter says is compared here, a
/// bounded number of rows at a time, so that a rare one costs several pages and never a long question.
/// </summary>
internal static class DeadLetterOffice
{
    /// <summary>Rows that one page looks at.</summary>
    public const int LookMax = 20_000;

    private const int CursorBytes = 16 + sizeof(long) + sizeof(int);
    private const int Chunk = 1000;

    /// <summary>Causes on one page, each with the longest texts there may be.</summary>
    private const int CausesMax = 50;

    /// <summary>Of the texts of a page: a reply stays far below the limit of a frame.</summary>
    private const int PageCharsMax = 256 * 1024;

    private static readonly string[] Connectors = ["rest", "slack", "email", "kafka", "chained", "worker"];

    /// <summary>Throws <see cref="DeskException"/> when a filter names what there is not.</summary>
    public static void Check(DeadLetterFilter filter)
    {
        if (filter.Connector is { } connector && !Connectors.Contains(connector))
        {
            throw Mistake(
                "filter.connector",
                $"is {Quoted.Shorten(connector)}; it must be one of {string.Join(", ", Connectors)}.");
        }

        if (filter.Failure is { } failure && FailureNames.Find(failure) is null)
        {
            throw Mistake(
                "filter.failure",
                $"is {Quoted.Shorten(failure)}; it must be one of {string.Join(", ", FailureNames.All)}.");
        }

        if (filter.SinceMs > filter.UntilMs)
            throw Mistake("filter.until", "is before filter.since; no dead letter could be meant.");
    }

    /// <summary>The next letters that a filter applies to, as many as are wanted.</summary>
    public static DeadLetterScan Scan(IStore store, DeadLetterFilter filter, TaskKey? below, int take)
    {
        var found = new List<DeadLetter>();
        var (looked, next) = Walk(store, filter, below, take, letter =>
        {
            if (found.Count == take)
                return false;
            found.Add(letter);
            return true;
        });
        return new DeadLetterScan(found, looked, next);
    }

    /// <summary>
    /// Hands out the letters that a filter applies to until one is not taken, or enough rows were looked at.
    /// </summary>
    /// <param name="store">The store.</param>
    /// <param name="filter">Which are meant.</param>
    /// <param name="below">Where the page before ended.</param>
    /// <param name="wanted">About how many will be taken: so many rows are read at once if there is no filter.</param>
    /// <param name="take">False: the page is full without this one.</param>
    /// <returns>How many rows were looked at, and what the next page is below.</returns>
    public static (int Looked, TaskKey? Next) Walk(
        IStore store, DeadLetterFilter filter, TaskKey? below, int wanted, Predicate<DeadLetter> take)
    {
        int looked = 0;
        var end = StartOf(filter, below);
        int chunk = filter.IsEmpty ? Math.Min(wanted + 1, Chunk) : Chunk;
        while (looked < LookMax)
        {
            var rows = store.ListDead(end, chunk);
            var letters = ReadLetters(store, rows);
            foreach (var row in rows)
            {
                if (filter.Plan is { } plan && row.Key.Plan.Value != plan)
                    return (looked, null);
                if (letters.TryGetValue(row.Key, out var letter) && Matches(filter, letter) && !take(letter))
                    return (looked, end);
                looked++;
                end = row.Key;
            }

            if (rows.Count < chunk)
                return (looked, null);
        }

        return (looked, end);
    }

    /// <summary>The letters of a page as answers show them, with their last errors.</summary>
    public static DeadLetterSnapshot Describe(IStore store, DeadLetter letter)
    {
        var (task, key) = (letter.Task, letter.Task.Key);
        var errors = store.ListErrorsBelow(key.Plan, (key.Occurrence, key.Hook, int.MaxValue), 1);
        string error = errors.Count > 0 && errors[0].Key == key ? errors[0].Text : "";
        return new DeadLetterSnapshot(
            key.ToTaskId(), key.Plan.Value, key.Occurrence, key.Hook, letter.User.Value, letter.Description,
            letter.Connector, letter.Target, letter.Failure, task.Attempts, task.DueMs,
            task.FinishedMs == 0 ? null : task.FinishedMs, error);
    }

    /// <summary>
    /// Letters by their causes, the most frequent first: as many causes as are wanted, with all that have them up to
    /// the end of the page.
    /// </summary>
    public static DeadLettersReply Group(IStore store, DeadLetterFilter filter, TaskKey? below, int limit)
    {
        var groups =
            new Dictionary<(string, string, FailureClass), (long Count, long LastFailedMs, DeadLetter First)>();
        int causesMax = Math.Min(limit, CausesMax);
        var (looked, next) = Walk(store, filter, below, LookMax, letter =>
        {
            var cause = (letter.Connector, letter.Target, letter.Task.Failure);
            if (groups.Count == causesMax && !groups.ContainsKey(cause))
                return false;
            ref var group = ref CollectionsMarshal.GetValueRefOrAddDefault(groups, cause, out _);
            group = (group.Count + 1, Math.Max(group.LastFailedMs, letter.Task.FinishedMs), group.First ?? letter);
            return true;
        });
        var ordered = groups.Values.OrderByDescending(group => group.Count)
            .ThenBy(group => group.First.Target, StringComparer.Ordinal)
            .ThenBy(group => group.First.Task.Failure);
        return new DeadLettersReply(
            [],
            [
                .. ordered.Select(group => new DeadLetterGroup(
                    group.First.Connector, group.First.Target, group.First.Failure, group.Count, group.LastFailedMs,
                    Describe(store, group.First))),
            ],
            looked, CursorOf(next));
    }

    /// <summary>A page of letters, which ends early when it has become large.</summary>
    public static DeadLettersReply List(IStore store, DeadLetterFilter filter, TaskKey? below, int limit)
    {
        var letters = new List<DeadLetterSnapshot>();
        int chars = 0;
        var (looked, next) = Walk(store, filter, below, limit, letter =>
        {
            if (letters.Count == limit || chars > PageCharsMax)
                return false;
            var described = Describe(store, letter);
            letters.Add(described);
            chars += described.Description.Length + described.Target.Length + described.Error.Length;
            return true;
        });
        return new DeadLettersReply(letters, [], looked, CursorOf(next));
    }

    /// <summary>A page's end as bytes that mean nothing to clients.</summary>
    public static byte[]? CursorOf(TaskKey? next)
    {
        if (next is not { } key)
            return null;
        byte[] bytes = new byte[CursorBytes];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, key.Plan.Value);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(16), key.Occurrence);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(24), key.Hook);
        return bytes;
    }

    /// <exception cref="DeskException">The cursor is not one of ours.</exception>
    public static TaskKey? ReadCursor(byte[]? cursor)
    {
        if (cursor is null)
            return null;
        if (cursor.Length != CursorBytes)
        {
            throw new DeskException(new WireFault(
                ErrorCode.InvalidCursor, "cursor",
                "cursor is not one that this server gave out. Start without it, or pass `next` unchanged."));
        }

        return new TaskKey(
            new PlanId(BinaryPrimitives.ReadUInt128BigEndian(cursor)),
            BinaryPrimitives.ReadInt64BigEndian(cursor.AsSpan(16)),
            BinaryPrimitives.ReadInt32BigEndian(cursor.AsSpan(24)));
    }

    private static TaskKey? StartOf(DeadLetterFilter filter, TaskKey? below)
    {
        if (filter.Plan is not { } plan)
            return below;
        var start = new TaskKey(new PlanId(plan), long.MaxValue, int.MaxValue);
        return below is { } key && key.Plan.Value <= plan ? below : start;
    }

    /// <summary>What filters look at, of each row. Bodies may be large, and are let go one by one.</summary>
    private static Dictionary<TaskKey, DeadLetter> ReadLetters(IStore store, IReadOnlyList<StoredTask> rows)
    {
        var letters = new Dictionary<TaskKey, DeadLetter>();
        var byPlan = rows.ToLookup(row => row.Key.Plan);
        store.LoadPlans([.. byPlan.Select(plan => plan.Key)], (id, memo, bytes) =>
        {
            var user = PlanMemo.Read(memo).Spec.User;
            var body = PlanBodyCodec.Read(bytes);
            foreach (var row in byPlan[id])
            {
                var action = row.Key.Hook == 0
                    ? body.Action
                    : body.Hooks.ElementAtOrDefault(row.Key.Hook - 1)?.Action ?? body.Action;
                letters[row.Key] = new DeadLetter(
                    row, user, body.Description, TargetNames.ConnectorOf(action), TargetNames.Of(action));
            }
        });
        return letters;
    }

    private static bool Matches(DeadLetterFilter filter, DeadLetter letter) =>
        (filter.User is null || filter.User == letter.User.Value)
        && (filter.Connector is null || filter.Connector == letter.Connector)
        && (filter.Target is null || filter.Target.Equals(letter.Target, StringComparison.OrdinalIgnoreCase))
        && (filter.Failure is null || filter.Failure == letter.Failure)
        && (filter.SinceMs is null || letter.Task.FinishedMs >= filter.SinceMs)
        && (filter.UntilMs is null || letter.Task.FinishedMs < filter.UntilMs);

    private static DeskException Mistake(string slot, string text) =>
        new(new WireFault(ErrorCode.OutOfRange, slot, $"{slot} {text}"));
}
