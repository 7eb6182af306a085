using System.Collections.Concurrent;
using Karya.Node.Storage;

namespace Karya.Node.Plans;

/// <summary>
/// Asks the store what requests want to know: on the caller's thread when the store is in this process, else on a few
/// threads of its own, so that a slow database takes none of the threads that carry out attempts.
/// </summary>
/// <remarks>Thread-safe. Throws <see cref="DeskException"/> alone.</remarks>
internal sealed class StoreReads : IDisposable
{
    /// <summary>Questions that may wait for each thread; at a millisecond each, some tenths of a second.</summary>
    private const int WaitingPerReader = 256;

    private readonly IStore _store;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _clock;
    private readonly BlockingCollection<Action>? _waiting;
    private readonly Thread[] _readers = [];

    /// <param name="store">The store.</param>
    /// <param name="patience">How long a request waits for its answer.</param>
    /// <param name="clock">Measures it.</param>
    public StoreReads(IStore store, TimeSpan patience, TimeProvider clock)
    {
        _store = store;
        _patience = patience;
        _clock = clock;
        if (store.ReaderCount == 0)
            return;
        _waiting = new BlockingCollection<Action>(store.ReaderCount * WaitingPerReader);
        _readers = new Thread[store.ReaderCount];
        for (int i = 0; i < _readers.Length; i++)
        {
            _readers[i] = new Thread(Run) { Name = $"karya-reader-{i}", IsBackground = true };
            _readers[i].Start();
        }
    }

    public ValueTask<T> AskAsync<T>(Func<IStore, T> question, CancellationToken stopping) =>
        _waiting is null ? ValueTask.FromResult(Ask(question)) : AskReaderAsync(_waiting, question, stopping);

    /// <summary>Answers what is waiting, then ends the threads.</summary>
    public void Dispose()
    {
        _waiting?.CompleteAdding();
        foreach (var reader in _readers)
            reader.Join();
        _waiting?.Dispose();
    }

    private async ValueTask<T> AskReaderAsync<T>(
        BlockingCollection<Action> waiting, Func<IStore, T> question, CancellationToken stopping)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!TryAdd(waiting, () => Complete(answer, question)))
        {
            throw new DeskException(
                DeskError.Overloaded, "The node has more questions than the store answers at present. Try again later.",
                TimeSpan.FromSeconds(1));
        }

        try
        {
            return await answer.Task.WaitAsync(_patience, _clock, stopping);
        }
        catch (TimeoutException)
        {
            throw new DeskException(
                DeskError.Overloaded, "The store did not answer in time. Try again later.", TimeSpan.FromSeconds(1));
        }
    }

    private static bool TryAdd(BlockingCollection<Action> waiting, Action ask)
    {
        try
        {
            return waiting.TryAdd(ask);
        }
        catch (InvalidOperationException)
        {
            throw new DeskException(DeskError.Unavailable, "The node is stopping. Try again later.");
        }
    }

    private void Run()
    {
        foreach (var ask in _waiting!.GetConsumingEnumerable())
            ask();
    }

    private void Complete<T>(TaskCompletionSource<T> answer, Func<IStore, T> question)
    {
        try
        {
            answer.TrySetResult(Ask(question));
        }
        catch (Exception e)
        {
            answer.TrySetException(e);
        }
    }

    private T Ask<T>(Func<IStore, T> question)
    {
        try
        {
            return question(_store);
        }
        catch (StoreException e)
        {
            throw new DeskException($"The store cannot be read at present: {e.Message}", e);
        }
    }
}
