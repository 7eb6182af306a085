namespace Karya.Protocol;

/// <summary>Versions of the protocol that this library speaks.</summary>
public static class ProtocolVersion
{
    public const byte Min = 1;
    public const byte Max = 1;
}
