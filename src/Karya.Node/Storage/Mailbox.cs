namespace Karya.Node.Storage;

/// <summary>
/// What one dedicated thread has to do next. Writers never wait: each kind of item is bounded by its sender (a shard
/// has one projection under way, and stops when its journal lags), which is why there is no limit here.
/// </summary>
internal sealed class Mailbox<T>
{
    private readonly object _lock = new(); // Not a Lock: the thread waits on it.
    private readonly Queue<T> _items = new();
    private bool _isClosed;

    public bool IsEmpty
    {
        get
        {
            lock (_lock)
                return _items.Count == 0;
        }
    }

    public void Post(T item)
    {
        lock (_lock)
        {
            _items.Enqueue(item);
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Moves everything into <paramref name="target"/>; waits when there is nothing.</summary>
    /// <returns>False: closed, and empty.</returns>
    public bool TakeAll(List<T> target)
    {
        lock (_lock)
        {
            while (_items.Count == 0 && !_isClosed)
                Monitor.Wait(_lock);
            bool hasItems = _items.Count > 0;
            while (_items.TryDequeue(out var item))
                target.Add(item);
            return hasItems;
        }
    }

    /// <summary>The same, and waits for up to the given time.</summary>
    /// <returns>False: closed, and empty.</returns>
    public bool TakeAll(List<T> target, TimeSpan waitMax)
    {
        lock (_lock)
        {
            if (_items.Count == 0 && !_isClosed && waitMax > TimeSpan.Zero)
                Monitor.Wait(_lock, waitMax);
            bool goesOn = _items.Count > 0 || !_isClosed;
            while (_items.TryDequeue(out var item))
                target.Add(item);
            return goesOn;
        }
    }

    /// <summary>Waits for up to the given time, or until something comes in or the mailbox is closed.</summary>
    /// <returns>False: closed.</returns>
    public bool Pause(TimeSpan length)
    {
        lock (_lock)
        {
            if (!_isClosed)
                Monitor.Wait(_lock, length);
            return !_isClosed;
        }
    }

    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            Monitor.PulseAll(_lock);
        }
    }
}
