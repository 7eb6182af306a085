namespace Karya.LoadTests;

/// <summary>The result of a run.</summary>
/// <param name="Refused">Submits that were answered with an error.</param>
/// <param name="Unknown">Submits without an answer.</param>
/// <param name="SendDelay">How late the driver itself was with its requests; if large, the rest says little.</param>
/// <param name="Latency">Of acknowledged submits, from the scheduled instant to the end of the answer.</param>
internal sealed record LoadReport(
    Scenario Scenario, int Refused, int Unknown, Percentiles SendDelay, Percentiles Latency, LedgerSummary Ledger)
{
    /// <summary>Nothing lost, nothing early; a run in which nothing was acknowledged proves nothing.</summary>
    public bool Passed => Ledger is { Acknowledged: > 0, Lost: 0, Early: 0 };

    public string Print() =>
        $"""
        {Scenario.Name}: {Scenario.RatePerSecond}/s for {Scenario.DurationSeconds} s, {Scenario.Connections} connections
        submits     {Ledger.Acknowledged} acknowledged, {Refused} refused, {Unknown} without an answer
        send delay  {SendDelay}
        latency     {Latency}
        lateness    {Ledger.Lateness}
        ledger      {Ledger.Lost} lost, {Ledger.Early} early, {Ledger.Duplicates} duplicates
                    {Ledger.Unacknowledged} arrived without having been acknowledged
        {(Passed ? "passed" : "FAILED")}

        """;
}
