using System.Collections.Concurrent;
using Karya.Node.Cluster;
using Karya.Node.Tests.Joined;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Karya.Node.Tests.Cluster;

/// <summary>Boards of one cluster, which all end with it, and what they log.</summary>
internal sealed class RedisBoardRig(string configuration, string cluster) : ILogger, IAsyncDisposable
{
    public static readonly TimeSpan AnswerMax = TimeSpan.FromMilliseconds(300);

    private readonly List<RedisBoard> _boards = [];
    private long _counter;

    /// <summary>Of all boards.</summary>
    public ConcurrentQueue<string> Logged { get; } = new();

    public string BeatsKey => $"{{karya:{cluster}}}:beats";

    public RedisBoard Add() => Add(configuration);

    public RedisBoard Add(string otherConfiguration)
    {
        _boards.Add(new RedisBoard(otherConfiguration, cluster, this, AnswerMax));
        return _boards[^1];
    }

    /// <summary>The next of a node; its counter is above all that were given out.</summary>
    public Heartbeat Beat(string name) =>
        new(name, "1", Interlocked.Increment(ref _counter), 1, CanOwn: true, IsDraining: false);

    public async Task<IReadOnlyList<Heartbeat>?> BeatAsync(RedisBoard board, string name) =>
        await board.BeatAsync(Beat(name), TestContext.Current.CancellationToken);

    /// <summary>Waits until a node sees that many.</summary>
    public Task<IReadOnlyList<Heartbeat>> SeenAsync(RedisBoard board, string name, int count) => Until.AskAsync(
        async () => await BeatAsync(board, name) ?? [], seen => seen.Count == count, $"{name} sees {count} heartbeats");

    /// <summary>Waits until a node cannot be heard.</summary>
    public Task UnheardAsync(RedisBoard board) => Until.AskAsync(
        async () => await BeatAsync(board, "a"), seen => seen is null, "nothing is heard");

    /// <summary>Wakes until so many wake-ups were heard: one may fall on a connection that has just died.</summary>
    public static Task WokenAsync(RedisBoard from, Func<int> woken, int count) => Until.TrueAsync(
        () =>
        {
            from.WakeAll();
            return woken() >= count;
        },
        "it is woken");

    public async ValueTask DisposeAsync()
    {
        foreach (var board in _boards)
            await board.DisposeAsync();
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter) => Logged.Enqueue(formatter(state, exception));
}
