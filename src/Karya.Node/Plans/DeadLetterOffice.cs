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

    /// <summary>The next letters that a filter applies to.</summary>
    public static DeadLetterScan Scan(IStore store, DeadLetterFilter filter, TaskKey? below, int take)
    {
        var found = new List<DeadLetter>();
        int looked = 0;
        var end = StartOf(filter, below);
        int chunk = filter.IsEmpty ? take + 1 : Chunk;
        while (looked < LookMax)
        {
            var rows = store.ListDead(end, chunk);
            var plans = ReadPlans(store, rows);
            foreach (var row in rows)
            {
                if (found.Count == take)
                    return new DeadLetterScan(found, looked, end);
                if (filter.Plan is { } plan && row.Key.Plan.Value != plan)
                    return new DeadLetterScan(found, looked, null);
                looked++;
                end = row.Key;
                if (plans.TryGetValue(row.Key.Plan, out var known) && TryMatch(filter, row, known, out var letter))
                    found.Add(letter);
            }

            if (rows.Count < chunk)
                return new DeadLetterScan(found, looked, null);
        }

        return new DeadLetterScan(found, looked, end);
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

    /// <summary>Letters by their causes, the most frequent first.</summary>
    public static IEnumerable<(long Count, long LastFailedMs, DeadLetter Example)> Group(
        IReadOnlyList<DeadLetter> letters)
    {
        var groups =
            new Dictionary<(string, string, FailureClass), (long Count, long LastFailedMs, DeadLetter First)>();
        foreach (var letter in letters)
        {
            var cause = (letter.Connector, letter.Target, letter.Task.Failure);
            ref var group = ref CollectionsMarshal.GetValueRefOrAddDefault(groups, cause, out _);
            group = (
                group.Count + 1, Math.Max(group.LastFailedMs, letter.Task.FinishedMs), group.First ?? letter);
        }

        return groups.Values.OrderByDescending(group => group.Count)
            .ThenBy(group => group.First.Target, StringComparer.Ordinal)
            .ThenBy(group => group.First.Task.Failure);
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

    private static Dictionary<PlanId, (UserId User, PlanBody Body)> ReadPlans(
        IStore store, IReadOnlyList<StoredTask> rows)
    {
        var plans = new Dictionary<PlanId, (UserId, PlanBody)>();
        store.LoadPlans(
            [.. rows.Select(row => row.Key.Plan).Distinct()],
            (id, memo, body) => plans[id] = (PlanMemo.Read(memo).Spec.User, PlanBodyCodec.Read(body)));
        return plans;
    }

    private static bool TryMatch(
        DeadLetterFilter filter, StoredTask row, (UserId User, PlanBody Body) plan, out DeadLetter letter)
    {
        var action = row.Key.Hook == 0
            ? plan.Body.Action
            : plan.Body.Hooks.ElementAtOrDefault(row.Key.Hook - 1)?.Action ?? plan.Body.Action;
        letter = new DeadLetter(
            row, plan.User, plan.Body.Description, TargetNames.ConnectorOf(action), TargetNames.Of(action));
        return (filter.User is null || filter.User == plan.User.Value)
            && (filter.Connector is null || filter.Connector == letter.Connector)
            && (filter.Target is null || filter.Target.Equals(letter.Target, StringComparison.OrdinalIgnoreCase))
            && (filter.Failure is null || filter.Failure == letter.Failure)
            && (filter.SinceMs is null || row.FinishedMs >= filter.SinceMs)
            && (filter.UntilMs is null || row.FinishedMs < filter.UntilMs);
    }

    private static DeskException Mistake(string slot, string text) =>
        new(new WireFault(ErrorCode.OutOfRange, slot, $"{slot} {text}"));
}
