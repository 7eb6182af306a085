using System.Net;
using Karya.Node.Network;
using Karya.Node.Tests.Joined;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Karya.Node.Tests.Network;

/// <summary>A second port of a shared node, with limits and a clock of its own.</summary>
internal sealed class PortRig : IAsyncDisposable
{
    private readonly Listener _listener;

    private PortRig(SharedNode node, NetworkOptions options)
    {
        _listener = new Listener(options, node.Parts, NullLoggerFactory.Instance, Clock);
    }

    public FakeTimeProvider Clock { get; } = new();

    public IPEndPoint Endpoint { get; private set; } = new(0, 0);

    public Listener Listener => _listener;

    public static async Task<PortRig> StartAsync(SharedNode node, NetworkOptions? options = null)
    {
        var rig = new PortRig(node, options ?? SharedNode.Options);
        rig.Endpoint = (await rig._listener.StartAsync(NodeRig.Stopping))[0];
        return rig;
    }

    /// <summary>So many connections are served.</summary>
    public Task CountAsync(int count) =>
        Until.TrueAsync(() => _listener.Count == count, $"{count} connections are open");

    public async ValueTask DisposeAsync()
    {
        using var impatient = new CancellationTokenSource();
        var stopping = _listener.StopAsync(impatient.Token);
        await impatient.CancelAsync();
        await stopping;
        await _listener.DisposeAsync();
    }
}
