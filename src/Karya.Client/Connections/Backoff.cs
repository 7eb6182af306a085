namespace Karya.Client.Connections;

/// <summary>
/// Pauses between tries, with full jitter: anything from nothing to a bound that doubles with each failure. What drops
/// a thousand clients at once must not have them all back at once.
/// </summary>
internal sealed class Backoff(Random random)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Last = TimeSpan.FromSeconds(5);

    private int _failures;

    public TimeSpan Next()
    {
        var bound = First * Math.Pow(2, Math.Min(_failures++, 16));
        return (bound < Last ? bound : Last) * random.NextDouble();
    }

    /// <summary>Something worked for so long. Only if that is longer than any pause is all forgiven.</summary>
    public void Worked(TimeSpan duration)
    {
        if (duration >= Last)
            _failures = 0;
    }
}
