using System.Net.Sockets;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>The connections of this node to the others, one to each, made when they are needed.</summary>
/// <param name="name">Of this node.</param>
/// <param name="secret">By which nodes know each other.</param>
/// <remarks>Thread-safe.</remarks>
internal sealed class PeerLinks(string name, string secret, TimeProvider clock) : IAsyncDisposable
{
    private static readonly TimeSpan ConnectMax = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<NodeEndpoint, Task<PeerLink?>> _links = [];
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Who hears what a node says unasked. Null: nobody.</summary>
    public Func<NodeEndpoint, PeerPushes>? Pushes { get; init; }

    /// <summary>Asks a node. Never throws; takes 7 s at most.</summary>
    public async Task<PeerAnswer> AskAsync<T>(NodeEndpoint endpoint, T message) where T : IMessage<T> =>
        await LinkAsync(endpoint) is { } link
            ? await link.AskAsync(message, AnswerMax, _stopping.Token)
            : new PeerAnswer(PeerEnd.NotSent);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Task<PeerLink?>[] links;
        lock (_lock)
            links = [.. _links.Values];
        foreach (var made in links)
        {
            if (await made is { } link)
                await link.DisposeAsync();
        }

        _stopping.Dispose();
    }

    private async Task<PeerLink?> LinkAsync(NodeEndpoint endpoint)
    {
        var made = LinkOf(endpoint, over: null);
        return await made is { IsOver: false } link ? link : await LinkOf(endpoint, over: made);
    }

    /// <param name="over">To be replaced, unless somebody has done that already.</param>
    private Task<PeerLink?> LinkOf(NodeEndpoint endpoint, Task<PeerLink?>? over)
    {
        lock (_lock)
        {
            if (_stopping.IsCancellationRequested)
                return Task.FromResult<PeerLink?>(null);
            if (_links.TryGetValue(endpoint, out var known) && known != over)
                return known;
            if (over is not null)
                _ = EndAsync(over);
            return _links[endpoint] = ConnectAsync(endpoint);
        }
    }

    private async Task<PeerLink?> ConnectAsync(NodeEndpoint endpoint)
    {
        using var patience = new CancellationTokenSource(ConnectMax, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, patience.Token);
        try
        {
            var hello = new Hello(ProtocolVersion.Min, ProtocolVersion.Max, name, secret);
            return await PeerLink.ConnectAsync(endpoint, hello, Pushes?.Invoke(endpoint), clock, either.Token);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            return null;
        }
    }

    private static async Task EndAsync(Task<PeerLink?> made)
    {
        if (await made is { } link)
            await link.DisposeAsync();
    }
}
