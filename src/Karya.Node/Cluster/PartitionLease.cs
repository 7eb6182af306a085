namespace Karya.Node.Cluster;

/// <summary>
/// This node's time-limited right to fire what it has claimed: renews the lease of record through the store, and says
/// for how long it may be trusted.
/// </summary>
/// <remarks>
/// One thread of its own renews; all else may be called from any thread. See <see cref="LeaseTrust"/>.
/// </remarks>
internal sealed class PartitionLease : IFiringRight, IDisposable
{
    /// <summary>Renewals in one length: four may fail before the fifth of them counts.</summary>
    private const int RenewalsPerLength = 5;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    private readonly LeaseTrust? _trust; // Null: nothing has to be renewed.
    private readonly TimeSpan _period;
    private readonly Func<bool> _renew;
    private readonly Func<string?> _lost;
    private readonly Action _regained;
    private readonly TimeProvider _clock;
    private readonly Thread _thread;
    private readonly object _lock = new(); // Not a Lock: the thread waits on it.
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _trusted = NewSource();
    private bool _isOver;

    /// <param name="length">Of the lease; null when nothing has to be renewed, and the right never ends.</param>
    /// <param name="renew">Renews; false when that failed. Blocks for a part of the length at most.</param>
    /// <param name="lost">Why there is nothing left to renew; null while there is.</param>
    /// <param name="regained">Called when the right had run out and is back.</param>
    /// <param name="clock">Its timestamps are used.</param>
    public PartitionLease(
        TimeSpan? length, Func<bool> renew, Func<string?> lost, Action regained, TimeProvider clock)
    {
        if (length is { } some)
            _trust = new LeaseTrust((long)(some.TotalSeconds * clock.TimestampFrequency));
        _period = (length ?? TimeSpan.Zero) / RenewalsPerLength;
        _renew = renew;
        _lost = lost;
        _regained = regained;
        _clock = clock;
        _thread = new Thread(Run) { Name = "karya-lease", IsBackground = true };
    }

    /// <summary>Whether tasks may be fired at this moment.</summary>
    public bool IsTrusted => _trust is null || _trust.IsTrusted(_clock.GetTimestamp());

    /// <summary>Completes with the reason when somebody else has what was claimed.</summary>
    public Task<string> Failed => _failed.Task;

    /// <summary>Why nothing is fired at present; null while tasks may be.</summary>
    public string? Trouble => IsTrusted
        ? null
        : "The lease has run out, as the store did not answer in time: nothing is fired until it is renewed.";

    /// <summary>
    /// Renews once, on the caller's thread, and goes on renewing. After the claim, which may have been waited for.
    /// </summary>
    public void Start()
    {
        if (_trust is null)
            return;
        RenewOnce();
        _thread.Start();
    }

    /// <summary>Whoever has a lease has all partitions.</summary>
    public GateAnswer Ask(int partition, long epoch) => IsTrusted ? GateAnswer.Begin : GateAnswer.Wait;

    public ValueTask<bool> WaitToBeginAsync(int partition, long epoch, CancellationToken stopping) =>
        IsTrusted ? ValueTask.FromResult(true) : WaitAsync(stopping);

    /// <summary>Renews no more. What was claimed is released through the store.</summary>
    public void Dispose()
    {
        End();
        if (_thread.IsAlive)
            _thread.Join();
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async ValueTask<bool> WaitAsync(CancellationToken stopping)
    {
        while (true)
        {
            Task trusted;
            lock (_lock)
            {
                if (_isOver)
                    return false;
                if (IsTrusted)
                    return true;
                if (_trusted.Task.IsCompleted)
                    _trusted = NewSource();
                trusted = _trusted.Task;
            }

            await trusted.WaitAsync(stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stopping.IsCancellationRequested)
                return false;
        }
    }

    private void Run()
    {
        var pause = _period;
        while (Pause(pause))
            pause = RenewOnce() ? _period : RetryPause;
    }

    private bool RenewOnce()
    {
        long sent = _clock.GetTimestamp();
        bool isRenewed = _renew();
        if (isRenewed)
            Trust(sent);
        if (_lost() is not { } reason)
            return isRenewed;
        _trust!.End();
        End();
        _failed.TrySetResult(reason);
        return false;
    }

    private bool Pause(TimeSpan length)
    {
        lock (_lock)
        {
            if (!_isOver)
                Monitor.Wait(_lock, length);
            return !_isOver;
        }
    }

    private void End()
    {
        lock (_lock)
        {
            _isOver = true;
            _trusted.TrySetResult();
            Monitor.PulseAll(_lock);
        }
    }

    private void Trust(long sent)
    {
        lock (_lock)
        {
            bool wasTrusted = IsTrusted;
            _trust!.Renew(sent);
            _trusted.TrySetResult();
            if (wasTrusted)
                return;
        }

        _regained();
    }
}
