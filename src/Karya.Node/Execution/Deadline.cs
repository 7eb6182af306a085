using System.Collections.Concurrent;

namespace Karya.Node.Execution;

/// <summary>
/// Time limits of attempts. A limit covers everything an attempt waits for, and ends it from outside: no connector
/// has to trust a library's own timeouts. The token sources are used again; there are never more than attempts at
/// once.
/// </summary>
internal sealed class DeadlinePool(TimeProvider time) : IDisposable
{
    private readonly ConcurrentQueue<CancellationTokenSource> _idle = new();

    /// <summary>Starts the clock. Dispose the deadline when the attempt has ended.</summary>
    public Deadline Start(TimeSpan limit, CancellationToken stopping)
    {
        if (!_idle.TryDequeue(out var source))
            source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);

        source.CancelAfter(limit);
        var link = stopping.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), source);
        return new Deadline(this, source, link);
    }

    public void Dispose()
    {
        while (_idle.TryDequeue(out var source))
            source.Dispose();
    }

    internal void Return(CancellationTokenSource source)
    {
        if (source.TryReset())
            _idle.Enqueue(source);
        else
            source.Dispose();
    }
}

/// <summary>A running time limit. Its token is cancelled when the time is up or the node stops.</summary>
internal readonly struct Deadline(
    DeadlinePool pool, CancellationTokenSource source, CancellationTokenRegistration link) : IDisposable
{
    public CancellationToken Token { get; } = source.Token;

    public void Dispose()
    {
        // First the link: once it is gone nobody but the timer can cancel the source, and TryReset stops that one.
        link.Dispose();
        pool.Return(source);
    }
}
