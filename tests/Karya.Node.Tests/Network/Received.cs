using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>A frame that a node has sent.</summary>
internal sealed record Received(Opcode Opcode, uint Correlation, byte[] Body)
{
    public bool IsError => Opcode == Opcode.Error;

    public T As<T>() where T : IMessage<T>
    {
        bool isOther = IsError && T.Opcode != Opcode.Error;
        Assert.True(Opcode == T.Opcode, isOther ? As<ErrorMessage>().ToString() : $"{Opcode}");
        var reader = new WireReader(Body);
        var message = T.Read(ref reader);
        Assert.True(reader.TryEnd(), reader.Fault?.ToString());
        return message;
    }

    public ErrorMessage Error => As<ErrorMessage>();
}
