namespace Karya.Chaos;

/// <summary>The one clock of a run: all processes are on one machine.</summary>
internal static class Clock
{
    public static long NowUs => (DateTime.UtcNow - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    public static long NowMs => NowUs / 1000;
}
