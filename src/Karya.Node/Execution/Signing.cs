namespace Karya.Node.Execution;

/// <summary>Who signs a request, and the instant that it bears.</summary>
internal readonly record struct Signing(WebhookSigner Signer, DateTimeOffset Now);
