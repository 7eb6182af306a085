using System.Net;
using Karya.Node.Network;
using Karya.Node.Tests.Joined;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>
/// A node for all tests of a class. Connections are given to it by hand, on a clock that the test turns.
/// </summary>
public sealed class SharedNode : IAsyncLifetime
{
    internal static readonly NetworkOptions Options = new(
        [new IPEndPoint(IPAddress.Loopback, 0)], 1024 * 1024, 256, 64, 64, TimeSpan.FromSeconds(60));

    internal NodeRig Rig { get; private set; } = null!;

    internal FaultTrap Trap { get; } = new();

    internal FakeTimeProvider Clock { get; } = new();

    internal NodeParts Parts => Rig.Node.Parts! with { Log = Trap };

    internal UInt128 User => Rig.Ann.Value;

    public async ValueTask InitializeAsync() => Rig = await NodeRig.StartAsync();

    public ValueTask DisposeAsync() => Rig.DisposeAsync();

    internal PipePeer NewPeer(NetworkOptions? options = null) => new(Parts, options ?? Options, Clock);

    internal async Task<PipePeer> GreetedAsync(NetworkOptions? options = null)
    {
        var peer = NewPeer(options);
        await peer.GreetAsync();
        return peer;
    }

    /// <summary>Lets time pass, and the connection look at its limits as the listener has it do.</summary>
    internal void Pass(PipePeer peer, TimeSpan time)
    {
        Clock.Advance(time);
        peer.Connection.CheckTime((long)Clock.GetElapsedTime(0).TotalMilliseconds);
    }
}
