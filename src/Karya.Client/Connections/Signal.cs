namespace Karya.Client.Connections;

/// <summary>
/// Wakes one loop. The loop looks for work, and waits when there is none; whoever adds work sets the signal afterwards.
/// Setting it twice is setting it once.
/// </summary>
internal sealed class Signal
{
    private TaskCompletionSource _set = NewSource();

    public void Set() => Volatile.Read(ref _set).TrySetResult();

    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        await Volatile.Read(ref _set).Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        Volatile.Write(ref _set, NewSource());
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
