namespace Karya.Node.Configuration;

/// <summary>Section <c>secrets</c>: what plans may refer to.</summary>
internal sealed record SecretsOptions
{
    /// <summary>
    /// Variables of this node's environment that plans may refer to as <c>${env:NAME}</c>, with commas between them; an
    /// entry may end with <c>*</c>. Empty (written <c>none</c>) for none. Whoever submits plans can send what is named
    /// here anywhere.
    /// </summary>
    public string Environment { get; init; } = "";

    /// <summary>
    /// The folder below which plans may refer to files as <c>${file:path}</c>; empty (written <c>none</c>) for none.
    /// </summary>
    public string Folder { get; init; } = "";
}
