namespace Karya.Node;

/// <summary>What may be done with an attempt that was handed out.</summary>
internal enum GateAnswer
{
    /// <summary>Begin it, now.</summary>
    Begin,

    /// <summary>The lease has run out for the moment: ask again when it is renewed.</summary>
    Wait,

    /// <summary>Its partition is another's: it is not this node's to begin, ever.</summary>
    Drop,
}
