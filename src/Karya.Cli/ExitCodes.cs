namespace Karya.Cli;

/// <summary>What <c>karya</c> tells the shell. Scripts depend on these: they never change.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>It was started, and failed.</summary>
    public const int Failed = 1;

    /// <summary>The command line, a file or the configuration is wrong; nothing was started.</summary>
    public const int Usage = 2;

    /// <summary>No node could be reached; nothing was done.</summary>
    public const int Unreachable = 3;

    /// <summary>There is no such plan or user.</summary>
    public const int NotFound = 4;

    /// <summary>What is there stands against it: the plan has ended, or the key belongs to another one.</summary>
    public const int Conflict = 5;

    /// <summary>What was waited for did not come within <c>--timeout</c>.</summary>
    public const int TimedOut = 124;

    /// <summary>Stopped by Ctrl-C: a node by the second one, without waiting for anything.</summary>
    public const int Interrupted = 130;

    /// <summary>Stopped by SIGTERM: a node by the second one, without waiting for anything.</summary>
    public const int Terminated = 143;
}
