namespace Karya.Protocol;

/// <summary>What <see cref="FrameReader.TryRead"/> found.</summary>
public enum FrameReadStatus
{
    /// <summary>Not all of it is there yet; so far nothing is wrong.</summary>
    Incomplete,

    Complete,

    /// <summary>The length says 0.</summary>
    Empty,

    /// <summary>The length says less than the header takes.</summary>
    TooShort,

    /// <summary>The length says more than the limit.</summary>
    TooLarge,

    /// <summary>The peer speaks HTTP or TLS.</summary>
    NotKarya,
}
