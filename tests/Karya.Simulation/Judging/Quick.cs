using Karya.Engine;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

internal sealed record PlanTerms(PlanMessage Plan);

internal static class Terms
{
    public static PlanTerms Of(PlanMessage plan) => new(plan);
}

internal sealed class Ledger
{
    public List<(PlanTerms Terms, string? Key, long AtUs, PlanId? Plan, bool Durable)> Orders { get; } = [];
    public List<(TaskKey Key, int Attempt, long Epoch, int Partition, int Node, int Life, long DueMs, long AtUs, long DbMs)> Starts { get; } = [];
    public List<(PlanId Plan, long BeganUs, long AckedUs)> Cancels { get; } = [];
    public HashSet<(int Partition, int X)> None { get; } = [];
    public int Ordered(PlanTerms terms, string? key, long atUs, long databaseMs) { Orders.Add((terms, key, atUs, null, true)); return Orders.Count - 1; }
    public void Tried(int order, long atUs) { }
    public void Acknowledged(int order, PlanId plan, bool existed, bool durable, long atUs, long databaseMs) { var o = Orders[order]; Orders[order] = (o.Terms, o.Key, o.AtUs, plan, durable); }
    public void Refused(int order, string code, long atUs) { }
    public void Unanswered(int order, long atUs) { }
    public int CancelBegan(PlanId plan, long atUs) { Cancels.Add((plan, atUs, 0)); return Cancels.Count - 1; }
    public void CancelAcknowledged(int cancel, long atUs) { var c = Cancels[cancel]; Cancels[cancel] = (c.Plan, c.BeganUs, atUs); }
    public void CancelRefused(int cancel, long atUs) { }
    public void CancelUnanswered(int cancel, long atUs) { }
    public int UpdateBegan(PlanId plan, long? periodMs, int? attemptsMax, long atUs) => 0;
    public void UpdateAcknowledged(int update, long atUs) { }
    public void UpdateRefused(int update, long atUs) { }
    public void UpdateUnanswered(int update, long atUs) { }
    public HashSet<PlanId> Triggered { get; } = []; public int TriggerBegan(PlanId plan, long atUs) { Triggered.Add(plan); return 0; }
    public void TriggerAcknowledged(int trigger, long atUs) { }
    public void TriggerRefused(int trigger, long atUs) { }
    public void TriggerUnanswered(int trigger, long atUs) { }
    public void Observed(PlanId plan, PlanState state, long requestUs, long answerUs) { }
    public void Started(TaskKey key, int attempt, long epoch, int partition, int node, int life, long dueMs, long atUs, long databaseMs) => Starts.Add((key, attempt, epoch, partition, node, life, dueMs, atUs, databaseMs));
    public void Ended(TaskKey key, int attempt, int node, int life, bool success, bool retryable, long atUs) { }
    public void Crashed(int node, int life, long atUs) { }
    public void OwnershipChanged(int partition, long epoch, int node, int life, long atUs) { }
    public void OwnershipLost(int partition, int node, int life, long atUs) { }
    public void UnknownCommit(int node, int life, long atUs) { }
    public void ChildStarted(TaskKey parent, PlanId child, PlanTerms terms, long atUs) { }
}

internal sealed class FinalState
{
    public Dictionary<PlanId, StoredPlan> Plans { get; } = [];
    public static FinalState Read(IStore store, IEnumerable<UserId> users)
    {
        var f = new FinalState();
        foreach (var u in users)
            foreach (var p in store.ListPlansBelow(u, null, int.MaxValue))
                f.Plans[p.Id] = p;
        return f;
    }
}

internal sealed record JudgeOptions { public long CutoffMs { get; init; } public bool ClockStepped { get; init; } }
internal sealed record Violation(string Invariant, string Promise, long AtUs, PlanId Plan, string Text);
internal sealed class Verdict
{
    public List<Violation> Violations { get; } = [];
    public long Acked, Starts, Duplicates;
}

internal static class Judge
{
    public static Verdict Check(Ledger ledger, FinalState final, JudgeOptions options)
    {
        var v = new Verdict();
        var started = new HashSet<PlanId>();
        var epochs = new Dictionary<int, long>();
        var seen = new Dictionary<(TaskKey, int), (long Epoch, int Node, int Life)>();
        foreach (var s in ledger.Starts)
        {
            v.Starts++;
            started.Add(s.Key.Plan);
            if (epochs.TryGetValue(s.Partition, out long e) && s.Epoch < e)
                v.Violations.Add(new("S6", "P5", s.AtUs, s.Key.Plan, $"start of {s.Key} at epoch {s.Epoch} after {e}, node {s.Node}"));
            epochs[s.Partition] = Math.Max(s.Epoch, e);
            if (!options.ClockStepped && s.DbMs < s.DueMs && !ledger.Triggered.Contains(s.Key.Plan))
                v.Violations.Add(new("S5", "P3", s.AtUs, s.Key.Plan, $"early {s.Key}"));
            if (!seen.TryAdd((s.Key, s.Attempt), (s.Epoch, s.Node, s.Life)))
            {
                v.Duplicates++;
                var o = seen[(s.Key, s.Attempt)];
                if (o.Epoch == s.Epoch)
                    v.Violations.Add(new("S8", "P4", s.AtUs, s.Key.Plan, $"twice {s.Key} attempt {s.Attempt} epoch {s.Epoch}, node {o.Node} and {s.Node}"));
            }
        }
        var cancelled = new Dictionary<PlanId, long>();
        var began = new HashSet<PlanId>();
        foreach (var c in ledger.Cancels)
        {
            began.Add(c.Plan);
            if (c.AckedUs > 0 && (!cancelled.TryGetValue(c.Plan, out long at) || c.AckedUs < at))
                cancelled[c.Plan] = c.AckedUs;
        }
        foreach (var s in ledger.Starts)
            if (cancelled.TryGetValue(s.Key.Plan, out long at) && s.AtUs > at)
                v.Violations.Add(new("S9", "P6", s.AtUs, s.Key.Plan, $"start of {s.Key} {s.AtUs - at} us after its cancel"));
        foreach (var o in ledger.Orders)
        {
            if (o.Plan is not { } plan || !o.Durable)
                continue;
            v.Acked++;
            if (!final.Plans.TryGetValue(plan, out var stored))
                v.Violations.Add(new("S1", "P1", o.AtUs, plan, "acked plan is not there"));
            else if (!began.Contains(plan) && !started.Contains(plan) && stored.Partition >= 0)
            {
                var memo = Karya.Engine.Journal.PlanMemo.Read(stored.Memo);
                foreach (var t in memo.OpenTasks)
                    if (t.DueMs < options.CutoffMs)
                        v.Violations.Add(new("S3", "P2", o.AtUs, plan, $"never ran, due {t.DueMs - options.CutoffMs} before cutoff, {t.State} state {stored.State}"));
            }
        }
        return v;
    }
}
