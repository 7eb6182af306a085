namespace Karya.Process.Tests;

/// <summary>One kill: when it was asked for, and when the process was known to be gone.</summary>
internal readonly record struct Kill(long AskedMs, long GoneMs);

/// <summary>When there were kills, in their order; says which repeated calls they account for.</summary>
internal sealed class KillTimes
{
    /// <summary>
    /// An attempt that arrived this long before a kill may still have been running, or its outcome not yet durable.
    /// </summary>
    private const long InFlightMs = 1000;

    /// <summary>What a process sent before its end may be read a moment after it.</summary>
    private const long OnItsWayMs = 50;

    private readonly List<Kill> _kills = [];

    public int Count => _kills.Count;

    public void Add(Kill kill) => _kills.Add(kill);

    public int CountBefore(long atMs) => _kills.Count(kill => kill.AskedMs < atMs);

    /// <summary>
    /// True when the first call was under way at a kill and the second came of a later epoch. Until it is gone a
    /// process works, so that a call may well arrive after the kill was asked for.
    /// </summary>
    public bool Explain(Arrival first, Arrival second) =>
        second.Epoch > first.Epoch
        && _kills.Any(kill => kill.AskedMs - InFlightMs < first.AtMs
            && first.AtMs <= kill.GoneMs + OnItsWayMs
            && kill.AskedMs <= second.AtMs);

    /// <summary>Both calls, and where the first one stands among the kills.</summary>
    public string Describe(Arrival first, Arrival second)
    {
        string text = $"{first.Plan}: epochs {first.Epoch} and {second.Epoch}, {second.AtMs - first.AtMs} ms apart";
        int next = _kills.FindIndex(kill => kill.GoneMs >= first.AtMs);
        if (next > 0)
            text += $", {first.AtMs - _kills[next - 1].GoneMs} ms after the end of kill {next}";
        if (next >= 0)
            text += $", {_kills[next].AskedMs - first.AtMs} ms before kill {next + 1} of {_kills.Count}";
        return text;
    }
}
