namespace Karya.LocalServers;

/// <summary>The one lock of a proxy, and a way to wait until what it guards has changed.</summary>
internal sealed class ProxyGate
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = NewSignal();

    public T Read<T>(Func<T> read)
    {
        lock (_lock)
            return read();
    }

    public void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            change();
            changed = _changed;
            _changed = NewSignal();
        }

        changed.SetResult();
    }

    /// <summary>The condition may take what it finds: it runs under the lock, never again once it was true.</summary>
    public async Task UntilAsync(Func<bool> condition, CancellationToken stopping = default)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (condition())
                    return;
                changed = _changed.Task;
            }

            await changed.WaitAsync(stopping);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
