namespace Karya.Cli;

/// <summary>What <c>karya</c> tells the shell. Scripts depend on these: they never change.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>It was started, and failed.</summary>
    public const int Failed = 1;

    /// <summary>The command line or the configuration is wrong; nothing was started.</summary>
    public const int Usage = 2;

    /// <summary>Stopped by a second Ctrl-C, without waiting for anything.</summary>
    public const int Interrupted = 130;

    /// <summary>Stopped by a second SIGTERM, without waiting for anything.</summary>
    public const int Terminated = 143;
}
