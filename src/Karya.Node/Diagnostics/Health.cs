namespace Karya.Node.Diagnostics;

/// <summary>What the node says of itself to probes.</summary>
/// <param name="Stall">Which loop stands still; null when all turn. Restarting the process would help.</param>
/// <param name="NotReady">Why requests should go elsewhere for now; null when they are welcome. A restart would not
/// help.</param>
internal readonly record struct HealthReport(string? Stall, string? NotReady)
{
    public bool IsLive => Stall is null;

    public bool IsReady => Stall is null && NotReady is null;
}

/// <summary>
/// Liveness: every watched loop has turned within <see cref="StallMax"/>; never asks the store, since a database outage
/// must not restart every node. Readiness: what the node itself says.
/// </summary>
/// <remarks><see cref="Watch"/> while the node is being built, <see cref="Report"/> from any thread.</remarks>
internal sealed class Health
{
    /// <summary>A loop that has nothing to do must still turn more often than this.</summary>
    public static readonly TimeSpan StallMax = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _clock;
    private readonly Func<string?> _notReady;
    private readonly List<(string Name, Func<long> LastTurn)> _loops = [];

    /// <param name="notReady">The reason why the node cannot serve just now, as a sentence; null when it can.</param>
    public Health(TimeProvider clock, Func<string?> notReady)
    {
        _clock = clock;
        _notReady = notReady;
    }

    /// <param name="lastTurn">When the loop last turned: a timestamp of the <see cref="TimeProvider"/>. Any
    /// thread.</param>
    public void Watch(string loop, Func<long> lastTurn) => _loops.Add((loop, lastTurn));

    public HealthReport Report()
    {
        foreach (var (name, lastTurn) in _loops)
        {
            var silence = _clock.GetElapsedTime(lastTurn());
            if (silence > StallMax)
                return new($"{name} has not turned for {silence.TotalSeconds:F1} s.", _notReady());
        }

        return new(null, _notReady());
    }
}
