using Karya.Engine;

namespace Karya.Simulation.Judging;

/// <summary>Something that must not be.</summary>
/// <param name="Invariant">Of the research: S1 to S18, L1.</param>
/// <param name="Promise">Of the design: P1 to P9.</param>
/// <param name="AtUs">When, as far as there is an instant.</param>
/// <param name="Plan">Which plan; none when it is about none.</param>
/// <param name="Text">What was seen, and what should have been.</param>
internal sealed record Violation(string Invariant, string Promise, long AtUs, PlanId Plan, string Text);

/// <summary>How a history is judged.</summary>
internal sealed record JudgeOptions
{
    /// <summary>What was due until then must have been done: ms since 1970 on the database's clock.</summary>
    public required long CutoffMs { get; init; }

    /// <summary>The database's clock was set: what was due when cannot be told from outside.</summary>
    public bool ClockStepped { get; init; }

    /// <summary>Attempts that are not answered are given up after this.</summary>
    public required long AttemptTimeoutMs { get; init; }

    /// <summary>The same in true time by the fastest clock there is.</summary>
    public long TimeoutUsMin => AttemptTimeoutMs * 999;

    /// <summary>Nothing went wrong: there are no duplicates at all.</summary>
    public bool IsCalm { get; init; }

    /// <summary>How far a node's estimate of the database's clock may be behind.</summary>
    public long ClockLagMs { get; init; } = 10_000;
}

/// <summary>The judgement.</summary>
internal sealed class Verdict
{
    public List<Violation> Violations { get; } = [];

    public long PlansAcknowledged { get; set; }

    public long Executions { get; set; }

    public long DuplicatesExplained { get; set; }

    /// <summary>Occurrences that an owner ran and took with it, and that the next one counted as missed.</summary>
    public long RanAndSkipped { get; set; }

    public void Add(string invariant, string promise, long atUs, PlanId plan, string text) =>
        Violations.Add(new Violation(invariant, promise, atUs, plan, text));

    public int Count(params ReadOnlySpan<string> invariants)
    {
        int count = 0;
        foreach (var violation in Violations)
            count += invariants.Contains(violation.Invariant) ? 1 : 0;
        return count;
    }
}
