using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>
/// What can be told from the starts of attempts alone: early, by whom, twice, after a cancel, too often.
/// </summary>
internal sealed class StartChecks(Ledger ledger, OwnerLog owners, JudgeOptions options, Verdict verdict)
{
    private const long SlackMs = 1500;

    public void Check(Dictionary<PlanId, PlanCase> cases)
    {
        CheckOwners();
        foreach (var plan in cases.Values)
        {
            var byAttempt = new Dictionary<(TaskKey Key, int Attempt), Start>();
            foreach (var start in plan.Starts)
            {
                CheckCancel(plan, start);
                CheckAttempts(plan, start, byAttempt);
                if (byAttempt.TryAdd((start.Key, start.Attempt), start))
                    continue;
                CheckTwice(byAttempt[(start.Key, start.Attempt)], start);
                byAttempt[(start.Key, start.Attempt)] = start;
            }
        }
    }

    /// <summary>S6: epochs of a partition's starts never go back.</summary>
    private void CheckOwners()
    {
        var latest = new Dictionary<int, Start>();
        foreach (var start in ledger.Starts)
        {
            if (latest.TryGetValue(start.Partition, out var last) && start.Epoch < last.Epoch)
            {
                verdict.Add(
                    "S6", "P5", start.AtUs, start.Key.Plan,
                    $"node {start.Node} starts {Name(start)} under epoch {start.Epoch} of partition {start.Partition}, "
                    + $"after node {last.Node} did under {last.Epoch}");
            }
            else
            {
                latest[start.Partition] = start;
            }
        }
    }

    private void CheckCancel(PlanCase plan, in Start start)
    {
        if (start.AtUs > plan.CancelledUs)
        {
            verdict.Add(
                "S9", "P6", start.AtUs, plan.Id,
                $"{Name(start)} starts {start.AtUs - plan.CancelledUs} us after a cancel was acknowledged");
        }
    }

    /// <summary>
    /// S15: no more attempts than allowed, none without the one before, none before its delay is over.
    /// </summary>
    private void CheckAttempts(
        PlanCase plan, in Start start, Dictionary<(TaskKey Key, int Attempt), Start> byAttempt)
    {
        if (!plan.Knows(start.Key.Hook))
            return;
        int attemptsMax = plan.AttemptsMaxOf(start.Key.Hook);
        if (start.Attempt > attemptsMax)
            verdict.Add("S15", "P2", start.AtUs, plan.Id, $"{Name(start)} of at most {attemptsMax} attempts");
        if (start.Attempt == 1)
            return;
        if (!byAttempt.TryGetValue((start.Key, start.Attempt - 1), out var before))
        {
            verdict.Add("S15", "P2", start.AtUs, plan.Id, $"{Name(start)} starts without the attempt before it");
            return;
        }

        if (!plan.MayBeOver(start.Key.Occurrence, start.Key.Hook, start.Attempt - 1, start.AtUs, options))
            verdict.Add("S15", "P2", start.AtUs, plan.Id, $"{Name(start)} starts while the one before it runs");

        long endedUs = long.MaxValue;
        foreach (var end in plan.AttemptOf(start.Key.Occurrence, start.Key.Hook, start.Attempt - 1).Ends)
        {
            if (end.AtUs <= start.AtUs)
                endedUs = Math.Min(endedUs, end.AtUs);
        }

        // Delays are counted on an estimate of the database's clock, which may be behind and catch up.
        long slackMs = options.IsCalm ? 20 : SlackMs;
        long leastMs = LeastDelayMs(plan.Terms!.Policy, start.Attempt - 1);
        bool isTooSoon = endedUs != long.MaxValue && start.AtUs - endedUs < (leastMs - slackMs) * 1000;
        if (isTooSoon && !options.ClockStepped && !plan.IsTriggered)
        {
            verdict.Add(
                "S15", "P2", start.AtUs, plan.Id,
                $"{Name(start)} starts {(start.AtUs - endedUs) / 1000} ms after the one before it, which began at "
                + $"{before.AtUs}; the delay is {leastMs} ms at least");
        }
    }

    /// <summary>The upper half of the delay is drawn.</summary>
    public static long LeastDelayMs(PolicyMessage policy, int attempt)
    {
        long first = policy.DelayMs ?? 0;
        long delay = Math.Min(first << Math.Min(attempt - 1, 20), Math.Max(first, policy.DelayMsMax ?? first));
        return delay / 2;
    }

    /// <summary>
    /// S8: the same attempt twice. Under one epoch never; under another one when an owner in between was lost without
    /// handing over, or the first one died while it carried out what it had handed over.
    /// </summary>
    private void CheckTwice(in Start first, in Start again)
    {
        if (first.Epoch != again.Epoch && !options.IsCalm && owners.ExplainsAgain(first, again))
        {
            verdict.DuplicatesExplained++;
            return;
        }

        verdict.Add(
            "S8", "P4", again.AtUs, again.Key.Plan,
            $"{Name(again)} starts at node {again.Node} under epoch {again.Epoch}, and did so at {first.AtUs} us at "
            + $"node {first.Node} under epoch {first.Epoch}; no loss of an owner explains it");
    }

    private static string Name(in Start start) =>
        $"occurrence {start.Key.Occurrence}, hook {start.Key.Hook}, attempt {start.Attempt}";
}
