using System.Diagnostics;

namespace Karya.LocalServers;

/// <summary>One run of a server, from its start to its end. What it prints goes to a file.</summary>
internal sealed class ServerProcess : IDisposable
{
    /// <summary>Becomes the command as well: a shell is the shortest way to have a process write into a file.</summary>
    private const string Script = "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1 </dev/null";

    private readonly Process _process;
    private readonly Thread _keeper;
    private IReadOnlyList<int>? _paused;

    private ServerProcess(Process process, Thread keeper)
    {
        _process = process;
        _keeper = keeper;
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>
    /// Starts it from a thread that lives as long as the process: the signal on our death is sent when the starting
    /// thread ends, and threads of the pool come and go.
    /// </summary>
    public static ServerProcess Start(string directory, string logFile, IEnumerable<string> command)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", Script, "sh", logFile, .. command])
        {
            WorkingDirectory = directory,
            UseShellExecute = false,
        };
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("PG", StringComparison.Ordinal)))
            start.Environment.Remove(name);   // Somebody's defaults for another server.

        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        var keeper = new Thread(() => Keep(start, started)) { IsBackground = true, Name = "local server" };
        keeper.Start();
        return new ServerProcess(started.Task.GetAwaiter().GetResult(), keeper);
    }

    public void Signal(int signal)
    {
        if (!_process.HasExited)
            _ = Libc.Kill(Id, signal);
    }

    /// <summary>
    /// Neither it nor what it has started runs; the kernel still accepts connections and bytes for it.
    /// </summary>
    /// <returns>All of them.</returns>
    public IReadOnlyList<int> Pause() => _paused ??= ProcessTree.Freeze(Id);

    /// <summary>Does nothing when it is not paused.</summary>
    public void Resume()
    {
        if (_paused is null)
            return;
        ProcessTree.Thaw(_paused);
        _paused = null;
    }

    /// <summary>kill -9 of it and all of its processes at one instant, until none is left.</summary>
    public void Kill(TimeSpan waitMax)
    {
        ProcessTree.Kill(Pause());
        WaitForExit(waitMax);
    }

    public bool WaitForExit(TimeSpan waitMax) => _process.WaitForExit(waitMax);

    /// <summary>After its end.</summary>
    public void Dispose()
    {
        _keeper.Join();
        _process.Dispose();
    }

    private static void Keep(ProcessStartInfo start, TaskCompletionSource<Process> started)
    {
        try
        {
            var process = Process.Start(start)!;
            started.SetResult(process);
            process.WaitForExit();
        }
        catch (Exception failure) when (!started.Task.IsCompleted)
        {
            started.SetException(failure);
        }
    }
}
