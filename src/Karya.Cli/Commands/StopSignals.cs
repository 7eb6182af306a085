using System.Runtime.InteropServices;

namespace Karya.Cli.Commands;

/// <summary>Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the process at once.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource<int> _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    public StopSignals()
    {
        _interrupt = Register(PosixSignal.SIGINT, ExitCodes.Interrupted);
        _terminate = Register(PosixSignal.SIGTERM, ExitCodes.Terminated);
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Ends with the first signal, with the exit code of a command that it cuts short.</summary>
    public Task<int> Asked => _asked.Task;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _stopping.Dispose();
    }

    private PosixSignalRegistration Register(PosixSignal signal, int exitCode) =>
        PosixSignalRegistration.Create(signal, context => OnSignal(context, exitCode));

    private void OnSignal(PosixSignalContext signal, int exitCode)
    {
        signal.Cancel = true;
        if (!_asked.TrySetResult(exitCode))
            Environment.Exit(exitCode);

        _stopping.Cancel();
    }
}
