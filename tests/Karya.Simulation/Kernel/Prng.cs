namespace Karya.Simulation.Kernel;

/// <summary>
/// The one source of chance of a run: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Our own, since the numbers of
/// <see cref="Random"/> may change between versions of .NET and a seed must mean the same for ever.
/// </summary>
internal sealed class Prng(ulong seed)
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    private ulong _state = seed;

    public ulong Next()
    {
        _state += Golden;
        ulong mixed = _state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    /// <summary>A source of its own, which what is drawn here later does not change.</summary>
    public Prng Fork() => new(Next());

    /// <summary>From 0 to below <paramref name="end"/>.</summary>
    public int Below(int end) => (int)Math.BigMul(Next(), (ulong)end, out _);

    /// <summary>From <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    public long Between(long first, long last) =>
        first + (long)Math.BigMul(Next(), (ulong)(last - first) + 1, out _);

    /// <summary>From 0 to below 1.</summary>
    public double Unit() => (Next() >> 11) * (1.0 / (1UL << 53));

    public bool Chance(double probability) => Unit() < probability;

    /// <summary>Exponentially distributed, around a mean, in whole units; at least 1.</summary>
    public long Exponential(double mean) => Math.Max(1, (long)(-Math.Log(1 - Unit()) * mean));

    public T Pick<T>(IReadOnlyList<T> items) => items[Below(items.Count)];
}
