namespace Karya.LocalServers;

/// <summary>Waits for what the system does not announce: the state of a process, a server that answers.</summary>
internal static class Polling
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    /// <summary>False when the deadline passed first.</summary>
    public static bool Until(Func<bool> condition, TimeSpan waitMax)
    {
        long deadline = Environment.TickCount64 + (long)waitMax.TotalMilliseconds;
        while (!condition())
        {
            if (Environment.TickCount64 > deadline)
                return false;
            Thread.Sleep(Pause);
        }

        return true;
    }
}
