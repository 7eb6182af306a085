using Karya.Engine;
using Karya.Node.Workers;
using Karya.Protocol.Messages;

namespace Karya.Node.Tests.Workers;

/// <summary>What was delivered to a worker.</summary>
internal sealed record Delivered(ulong Id, TaskKey Key, int Attempt, string Name, byte[] Arguments, long TimeoutMs);

/// <summary>A worker's connection that keeps what it is told.</summary>
internal sealed class FakeSession : IWorkerSession
{
    public List<Delivered> Deliveries { get; } = [];

    public List<(ulong Id, RevokeReason Reason)> Revoked { get; } = [];

    public Delivered Last => Deliveries[^1];

    /// <summary>The connection is being closed.</summary>
    public bool IsClosed { get; set; }

    public bool Deliver(
        ulong id, in Dispatch dispatch, ReadOnlySpan<byte> name, ReadOnlySpan<byte> arguments, long timeoutMs)
    {
        if (IsClosed)
            return false;
        Deliveries.Add(new Delivered(
            id, dispatch.Key, dispatch.Attempt, System.Text.Encoding.UTF8.GetString(name), arguments.ToArray(),
            timeoutMs));
        return true;
    }

    public bool Deliver(Delivery delivery)
    {
        if (IsClosed)
            return false;
        Deliveries.Add(new Delivered(
            delivery.Id, new TaskKey(new PlanId(delivery.Plan), delivery.Occurrence, delivery.Hook), delivery.Attempt,
            delivery.Name, delivery.Arguments, delivery.TimeoutMs));
        return true;
    }

    /// <summary>What is delivered counts at once.</summary>
    public void Send()
    {
    }

    public void Revoke(ulong id, RevokeReason reason) => Revoked.Add((id, reason));
}
